package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// pluginTimeout bounds a credential plugin: it may ask a cloud's metadata server.
const pluginTimeout = time.Minute

// plugin is a kubeconfig's `exec`: a program that prints an ExecCredential
// (client.authentication.k8s.io).
type plugin struct {
	APIVersion string `yaml:"apiVersion"`
	Command    string
	Args       []string
	Env        []struct{ Name, Value string }
	Interact   string `yaml:"interactiveMode"`
	Cluster    bool   `yaml:"provideClusterInfo"`
	Hint       string `yaml:"installHint"`
}

func (p plugin) check() error {
	switch {
	case p.Command == "":
		return fmt.Errorf("exec: no command")
	case p.APIVersion != "client.authentication.k8s.io/v1" && p.APIVersion != "client.authentication.k8s.io/v1beta1":
		return fmt.Errorf("exec: apiVersion %s: must be client.authentication.k8s.io/v1 or v1beta1", p.APIVersion)
	case p.Interact == "Always":
		return fmt.Errorf("exec: %s wants to ask at a terminal (interactiveMode: Always): sign in before, and set IfAvailable", p.Command)
	case p.Cluster:
		return fmt.Errorf("exec: %s wants to know the cluster (provideClusterInfo), which is not supported, nor by Spark", p.Command)
	}
	return nil
}

// pluginSession runs a plugin when the credential it gave last has ended. Several requests at
// once run it once.
type pluginSession struct {
	plugin plugin
	folder string
	getenv func(string) string
	mu     sync.Mutex
	last   execStatus
}

type execStatus struct {
	Token       string    `json:"token"`
	Certificate string    `json:"clientCertificateData"`
	Key         string    `json:"clientKeyData"`
	Expires     time.Time `json:"expirationTimestamp"`
}

func (s *pluginSession) token(ctx context.Context) (string, error) {
	status, err := s.current(ctx)
	return status.Token, err
}

func (s *pluginSession) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	status, err := s.current(context.Background())
	if err != nil || status.Certificate == "" {
		return &tls.Certificate{}, err
	}
	source, err := certificatePair([]byte(status.Certificate), []byte(status.Key))
	if err != nil {
		return nil, err
	}
	return source(nil)
}

func (s *pluginSession) current(ctx context.Context) (execStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := s.last.Token != "" || s.last.Certificate != ""
	if given && (s.last.Expires.IsZero() || time.Until(s.last.Expires) > 10*time.Second) {
		return s.last, nil
	}
	status, err := s.run(ctx)
	if err == nil {
		s.last = status
	}
	return status, err
}

func (s *pluginSession) run(ctx context.Context) (execStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, pluginTimeout)
	defer cancel()
	command := s.plugin.Command
	if strings.Contains(command, "/") {
		command = within(s.folder, command)
	}
	cmd := exec.CommandContext(ctx, command, s.plugin.Args...)
	cmd.WaitDelay = time.Second
	info, err := json.Marshal(map[string]any{"apiVersion": s.plugin.APIVersion, "kind": "ExecCredential", "spec": map[string]any{"interactive": false}})
	if err != nil {
		return execStatus{}, err
	}
	cmd.Env = append(cmd.Environ(), "KUBERNETES_EXEC_INFO="+string(info))
	for _, entry := range s.plugin.Env {
		cmd.Env = append(cmd.Env, entry.Name+"="+entry.Value)
	}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: %w: %s", s.plugin.Command, err, strings.TrimSpace(talk.String()+" "+s.plugin.Hint))
	}
	var answer struct{ Status execStatus }
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: its answer is no ExecCredential: %w", s.plugin.Command, err)
	}
	if answer.Status.Token == "" && answer.Status.Certificate == "" {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: its answer has no token and no certificate", s.plugin.Command)
	}
	return answer.Status, nil
}
