package task

import (
	"encoding/base64"
	"strings"
	"testing"

	"tfos/internal/files"
)

func TestReadLine(t *testing.T) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	order, splits := encode(`{"token":"t","files":{}}`), encode(`[{"Path":"a","Offset":3,"Length":5}]`)
	got, partition, work, err := readLine(strings.NewReader(order + " 12 " + splits + "\n"))
	if err != nil || got.Token != "t" || partition != 12 || len(work) != 1 || work[0] != (files.Split{Path: "a", Offset: 3, Length: 5}) {
		t.Errorf("%+v, partition %d, %+v: %v", got, partition, work, err)
	}
	for name, line := range map[string]string{
		"nothing":        "",
		"cut":            order + " 12",
		"no number":      order + " x " + splits,
		"no base64":      "!!! 12 " + splits,
		"no order":       encode("no") + " 12 " + splits,
		"no files":       encode(`{"token":"t"}`) + " 12 " + splits,
		"no splits":      order + " 12 " + encode("no"),
		"one word more":  order + " 12 " + splits + " x",
		"splits not b64": order + " 12 !!!",
	} {
		if _, _, _, err := readLine(strings.NewReader(line)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
