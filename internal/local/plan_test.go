package local

import (
	"strings"
	"testing"

	"tfos/internal/reserve"
	"tfos/internal/work"
)

func TestSettingsOfStoresComeByStandardInput(t *testing.T) {
	p := plan{Stores: true, Reserve: work.Config{Config: reserve.Config{Members: []reserve.MemberConfig{{Job: "worker"}}}}}
	storage, err := p.readStorage(strings.NewReader(`{"storage":{"fs.s3a.secret.key":"hidden"}}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.assignment(reserve.Ready{}, storage).Storage["fs.s3a.secret.key"]; got != "hidden" {
		t.Errorf("the member gets %q", got)
	}
	if _, err := p.readStorage(strings.NewReader("")); err == nil {
		t.Error("a launcher that sends nothing is no error")
	}
	if storage, err := (plan{}).readStorage(nil); storage != nil || err != nil {
		t.Errorf("without stores, standard input is read: %v, %v", storage, err)
	}
}
