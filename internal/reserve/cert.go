package reserve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// The names that the run's certificates are valid for. Addresses are not in
// them: a run's own authority signs exactly these two.
const (
	ServerName = "tfos-reserve"
	MemberName = "tfos-member"
)

// validity is longer than any run; the authority's key never leaves the
// server's memory, so nothing can be signed after it.
const validity = 5 * 365 * 24 * time.Hour

// authority signs one run's two certificates and knows its token.
type authority struct {
	ca, cert, key string // PEM; cert and key are the members'
	token         string
	server        tls.Certificate
	pool          *x509.CertPool
}

func newAuthority(now time.Time) (*authority, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("reserve: make authority: %w", err)
	}
	root := certificate("tfos run authority", 1, now)
	root.IsCA, root.BasicConstraintsValid = true, true
	root.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	if err != nil {
		return nil, fmt.Errorf("reserve: make authority: %w", err)
	}
	a := &authority{ca: pemBlock("CERTIFICATE", der), pool: x509.NewCertPool()}
	a.pool.AppendCertsFromPEM([]byte(a.ca))
	cert, key, err := leaf(root, caKey, ServerName, 2, now, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	if a.server, err = tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		return nil, fmt.Errorf("reserve: make server certificate: %w", err)
	}
	a.cert, a.key, err = leaf(root, caKey, MemberName, 3, now, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: crypto/rand
	a.token = hex.EncodeToString(secret)
	return a, nil
}

func certificate(name string, serial int64, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), // clocks of executors may be behind
		NotAfter:  now.Add(validity),
	}
}

func leaf(root *x509.Certificate, rootKey *ecdsa.PrivateKey, name string, serial int64, now time.Time, usage ...x509.ExtKeyUsage) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("reserve: make certificate %s: %w", name, err)
	}
	template := certificate(name, serial, now)
	template.DNSNames = []string{name}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, usage
	der, err := x509.CreateCertificate(rand.Reader, template, root, private.Public(), rootKey)
	if err != nil {
		return "", "", fmt.Errorf("reserve: sign certificate %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("reserve: encode key of %s: %w", name, err)
	}
	return pemBlock("CERTIFICATE", der), pemBlock("PRIVATE KEY", keyDER), nil
}

func pemBlock(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// serverTLS asks every caller for the members' certificate: of the two that
// the authority has signed only that one is for clients.
func (a *authority) serverTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.server}, ClientCAs: a.pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}
