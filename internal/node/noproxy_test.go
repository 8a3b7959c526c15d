package node

import (
	"strings"
	"testing"
)

func TestBypassProxies(t *testing.T) {
	hosts := []string{"10.0.0.1", "a.local"}
	for _, tt := range []struct {
		name              string
		base              []string
		lower, caps, grpc string
	}{
		{"nothing there", nil, "10.0.0.1,a.local", "10.0.0.1,a.local", "10.0.0.1,a.local"},
		{"only the lower", []string{"no_proxy=x, y"}, "x,y,10.0.0.1,a.local", "x,y,10.0.0.1,a.local", "x,y,10.0.0.1,a.local"},
		{"only capitals", []string{"NO_PROXY=.corp"}, ".corp,10.0.0.1,a.local", ".corp,10.0.0.1,a.local", ".corp,10.0.0.1,a.local"},
		{"each its own", []string{"no_proxy=l", "NO_PROXY=u", "no_grpc_proxy=g"}, "l,10.0.0.1,a.local", "u,10.0.0.1,a.local", "g,10.0.0.1,a.local"},
		{"known hosts", []string{"no_proxy=a.local,10.0.0.1"}, "a.local,10.0.0.1", "a.local,10.0.0.1", "a.local,10.0.0.1"},
		{"every host", []string{"no_proxy=*"}, "*", "*", "*,10.0.0.1,a.local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(tt.base)
			e.bypassProxies(hosts)
			for name, want := range map[string]string{"no_proxy": tt.lower, "NO_PROXY": tt.caps, "no_grpc_proxy": tt.grpc} {
				if e[name] != want {
					t.Errorf("%s = %q, want %q", name, e[name], want)
				}
			}
		})
	}
}

// The role's variables may set proxies: the cluster's hosts are added after them.
func TestChildReachesTheClusterWithoutProxies(t *testing.T) {
	p := childPlan{
		assignment: Assignment{Job: "worker", Server: "driver.corp:1", Config: Config{
			Child: ChildConfig{Kind: childPython},
			Roles: map[string]RoleConfig{"worker": {Env: map[string]string{"no_proxy": "role"}}},
		}},
		host:    "me",
		members: []memberAddress{{Address: "10.0.0.7:5", Host: "seven"}, {Address: "[fd00::2]:6", Host: "eight"}},
	}
	c := p.command()
	want := "role,localhost,127.0.0.1,me,driver.corp,10.0.0.7,seven,fd00::2,eight"
	if got := envValue(c, "no_proxy"); got != want {
		t.Errorf("no_proxy = %s, want %s", got, want)
	}
	if got := envValue(c, "no_grpc_proxy"); !strings.HasSuffix(got, "fd00::2,eight") {
		t.Errorf("no_grpc_proxy = %s", got)
	}
}
