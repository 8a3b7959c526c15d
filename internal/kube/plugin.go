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

	"golang.org/x/sync/singleflight"

	"tfos/internal/oneline"
)

// pluginTimeout bounds a credential plugin: it may ask a cloud's metadata server.
const pluginTimeout = time.Minute

// maxSaid bounds what of a plugin's words is told, in bytes.
const maxSaid = 400

// plugin is a kubeconfig's `exec`: a program that prints an ExecCredential
// (client.authentication.k8s.io). It runs as Spark runs it: without KUBERNETES_EXEC_INFO, also
// where it wants to know the cluster (provideClusterInfo); its standard error is part of its
// answer; and the answer's version is the kubeconfig's. What fails here would fail in Spark.
type plugin struct {
	APIVersion string `yaml:"apiVersion"`
	Command    string
	Args       []string
	Env        []struct{ Name, Value string }
	Interact   string `yaml:"interactiveMode"`
	Hint       string `yaml:"installHint"`
}

func (p plugin) check() error {
	switch {
	case p.Command == "":
		return fmt.Errorf("exec: no command")
	case p.APIVersion == "":
		return fmt.Errorf("exec: no apiVersion: must be client.authentication.k8s.io/v1 or v1beta1, as %s answers", p.Command)
	case p.Interact == "Always":
		return fmt.Errorf("exec: %s wants to ask at a terminal (interactiveMode: Always): sign in before, and set IfAvailable", p.Command)
	}
	return nil
}

// pluginSession runs a plugin when the credential it gave last has ended. Several requests at
// once run it once, for up to pluginTimeout, however short they wait for it.
type pluginSession struct {
	plugin plugin
	folder string
	runs   singleflight.Group
	mu     sync.Mutex
	last   execStatus // mu
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

func (s *pluginSession) certificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	status, err := s.current(info.Context())
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
	last := s.last
	s.mu.Unlock()
	given := last.Token != "" || last.Certificate != ""
	if given && (last.Expires.IsZero() || time.Until(last.Expires) > 10*time.Second) {
		return last, nil
	}
	run := s.runs.DoChan("", func() (any, error) {
		status, err := s.run()
		if err == nil {
			s.mu.Lock()
			s.last = status
			s.mu.Unlock()
		}
		return status, err
	})
	select {
	case result := <-run:
		return result.Val.(execStatus), result.Err
	case <-ctx.Done():
		return execStatus{}, fmt.Errorf("kube: credential plugin %s has not answered yet: %w", s.plugin.Command, context.Cause(ctx))
	}
}

func (s *pluginSession) run() (execStatus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pluginTimeout)
	defer cancel()
	command := s.plugin.Command
	if strings.Contains(command, "/") {
		command = within(s.folder, command)
	}
	cmd := exec.CommandContext(ctx, command, s.plugin.Args...)
	cmd.WaitDelay = time.Second
	cmd.Env = cmd.Environ()
	for _, entry := range s.plugin.Env {
		cmd.Env = append(cmd.Env, entry.Name+"="+entry.Value)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: %w%s", s.plugin.Command, err, oneLine(said.String()+" "+s.plugin.Hint))
	}
	var answer struct {
		APIVersion string `json:"apiVersion"`
		Status     execStatus
	}
	before, _, _ := strings.Cut(said.String(), "{") // what follows may have a token
	if err := json.NewDecoder(bytes.NewReader(said.Bytes())).Decode(&answer); err != nil {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: its answer is no ExecCredential (Spark reads standard output and standard error together): %w%s",
			s.plugin.Command, err, oneLine(before))
	}
	if answer.APIVersion != s.plugin.APIVersion {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: it answers with apiVersion %q, and the kubeconfig has %q, which Spark refuses: write the kubeconfig anew with this version of the plugin",
			s.plugin.Command, answer.APIVersion, s.plugin.APIVersion)
	}
	if answer.Status.Token == "" && answer.Status.Certificate == "" {
		return execStatus{}, fmt.Errorf("kube: credential plugin %s: its answer has no token and no certificate", s.plugin.Command)
	}
	return answer.Status, nil
}

// oneLine is the beginning of a text, after a colon; "": there is none.
func oneLine(text string) string {
	text = oneline.Of(text, maxSaid)
	if text == "" {
		return ""
	}
	return ": " + text
}
