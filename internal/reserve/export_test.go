package reserve

import (
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// This file is what the tests of package reserve_test need of the inside.

const UploadPatience = uploadPatience

var RegisterToPB, RenewToPB = registerToPB, renewToPB

// ForeignCredentials are those of another run.
func ForeignCredentials(t *testing.T) Credentials {
	t.Helper()
	auth, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return Credentials{CA: auth.ca, Cert: auth.cert, Key: auth.key, Token: auth.token}
}

func (c *Client) SetPatience(d time.Duration) { c.patience = d }

func (c *Client) TransportCredentials() credentials.TransportCredentials { return c.creds }
