package feed

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// memberEnv makes this test binary a member for the tests of the Python side
// (scripts/tests/member.py). Its value is a memberSetup as JSON.
const memberEnv = "TFOS_FEED_MEMBER"

type memberSetup struct {
	Dir    string   `json:"dir"`
	Token  string   `json:"token"`
	Worker int      `json:"worker"`
	Feeds  []Config `json:"feeds"`
}

// memberReady is the first line of a member's standard output.
type memberReady struct {
	Unix  string `json:"unix"`
	TCP   string `json:"tcp"`
	Child string `json:"child"`
	CA    string `json:"ca"`
}

// memberCommand is a line of the member's standard input. Each is answered by a
// line.
type memberCommand struct {
	Cmd    string `json:"cmd"`
	Feed   string `json:"feed"`
	Epoch  int    `json:"epoch"`
	Last   bool   `json:"last"`
	Step   int64  `json:"step"`
	Final  bool   `json:"final"`
	Reason string `json:"reason"`
	Epochs int    `json:"epochs"`
}

func TestMain(m *testing.M) {
	setup := os.Getenv(memberEnv)
	if setup == "" {
		os.Exit(m.Run())
	}
	if err := beMember(setup); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beMember serves until its standard input ends.
func beMember(text string) error {
	var setup memberSetup
	if err := json.Unmarshal([]byte(text), &setup); err != nil {
		return err
	}
	r := NewReceiver(setup.Feeds, setup.Token, fmt.Sprintf("worker:%d", setup.Worker), setup.Dir)
	config, ca, err := memberTLS(setup.Worker)
	if err != nil {
		return err
	}
	ready := memberReady{Unix: filepath.Join(setup.Dir, "f"), Child: filepath.Join(setup.Dir, "c"), CA: ca}
	feeder := func(c net.Conn) {
		if err := r.ServeFeeder(context.Background(), c); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	program := func(c net.Conn) {
		if err := serveProgram(r, setup, c); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if _, err := listenEach("unix", ready.Unix, nil, feeder); err != nil {
		return err
	}
	if _, err := listenEach("unix", ready.Child, nil, program); err != nil {
		return err
	}
	if ready.TCP, err = listenEach("tcp", "127.0.0.1:0", config, feeder); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(ready); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c memberCommand
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		if err := out.Encode(obey(r, c)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func obey(r *Receiver, c memberCommand) any {
	var err error
	switch c.Cmd {
	case "end":
		err = r.EndFeed(c.Feed, c.Epoch, c.Last)
	case "replay":
		err = r.Replay(c.Feed, c.Epochs)
	case "low_water":
		err = r.SetLowWater(c.Feed, c.Step, c.Final)
	case "stop":
		r.Stop(c.Reason)
	case "fail":
		r.Fail(c.Reason)
	case "counts":
		return r.Counts()
	case "paces":
		return r.Paces()
	case "programs":
		return (&testMember{Receiver: r}).programs()
	case "peak":
		return (&testMember{Receiver: r}).peak(c.Feed)
	default:
		err = fmt.Errorf("no command %q", c.Cmd)
	}
	if err != nil {
		return err.Error()
	}
	return nil
}

func listenEach(network, address string, config *tls.Config, serve func(net.Conn)) (string, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return "", err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), nil
}

func serveProgram(r *Receiver, setup memberSetup, c net.Conn) error {
	var a AttachRequest
	if err := ReadJSON(c, TypeAttach, &a); err != nil {
		return err
	}
	told := ProgramContext{JobName: "worker", TaskIndex: setup.Worker, WorkerNum: setup.Worker, Feeds: setup.Feeds}
	if err := WriteJSON(c, TypeContext, told); err != nil {
		return err
	}
	return r.ServeChild(context.Background(), c, func(byte, []byte) error { return nil })
}

// memberTLS makes a self-signed certificate for the name of a member. Two
// authorities in one pool need different subjects.
func memberTLS(worker int) (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"tfos-member"},
		Subject:   pkix.Name{CommonName: fmt.Sprintf("worker %d", worker)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{own}}, string(ca), nil
}
