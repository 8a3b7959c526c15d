package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"tfos/internal/store/bucket"
)

// request is one HTTP call.
type request struct {
	method, url string
	header      http.Header
	body        []byte
	answer      any          // JSON is decoded into it, if it is not nil
	answered    *http.Header // gets the answer's header, if it is not nil
	also        int          // a status that is no error, besides 2xx
}

// send sends a request. The caller closes the answer's body. Statuses from 300 are errors.
func (b *Bucket) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, bucket.FromNetwork(err)
	}
	for key, values := range r.header {
		req.Header[key] = values
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if b.tokens != nil {
		token, err := b.tokens.token(ctx)
		if err != nil {
			return nil, err
		}
		token.SetAuthHeader(req)
	}
	answer, err := b.client.Do(req)
	if err != nil {
		return nil, bucket.FromNetwork(err)
	}
	if answer.StatusCode < 300 || answer.StatusCode == r.also {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, answerError(answer)
}

// call sends a request and reads its answer.
func (b *Bucket) call(ctx context.Context, r request) error {
	answer, err := b.send(ctx, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if r.answered != nil {
		*r.answered = answer.Header
	}
	data, err := io.ReadAll(answer.Body)
	if err == nil && r.answer != nil && answer.StatusCode != r.also {
		err = json.Unmarshal(data, r.answer)
	}
	if err != nil {
		return &bucket.Error{Again: true, Message: "the answer cannot be read", Cause: bucket.FromNetwork(err)}
	}
	return nil
}

// maxErrorBytes of an answer are read for an error.
const maxErrorBytes = 64 << 10

func answerError(answer *http.Response) *bucket.Error {
	text := struct {
		Error struct {
			Message string `json:"message"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}{}
	data, _ := io.ReadAll(io.LimitReader(answer.Body, maxErrorBytes))
	if json.Unmarshal(data, &text) != nil || text.Error.Message == "" {
		text.Error.Message = http.StatusText(answer.StatusCode) // not JSON: a proxy's page
	}
	code := ""
	if len(text.Error.Errors) > 0 {
		code = text.Error.Errors[0].Reason
	}
	e := bucket.FromStatus(answer.StatusCode, answer.Header, code, text.Error.Message)
	switch {
	case answer.StatusCode == http.StatusNotFound && strings.Contains(text.Error.Message, "bucket does not exist"):
		e.Kind = bucket.ErrNoBucket // the API has one reason for objects and buckets
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusGone:
		e.Kind = fs.ErrNotExist
	case code == "rateLimitExceeded", code == "userRateLimitExceeded":
		e.Kind, e.Again = nil, true
	case e.Kind == bucket.ErrCredentials:
		e.Message += "; " + remedy
	}
	return e
}

// check compares the checksum of what the store got with that of data.
func (o object) check(data []byte) error {
	sum, err := base64.StdEncoding.DecodeString(o.CRC32C)
	if o.CRC32C == "" || err != nil || len(sum) != 4 {
		return nil // the store does not say
	}
	if got := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); got != binary.BigEndian.Uint32(sum) {
		return &bucket.Error{Again: true, Message: fmt.Sprintf("the bytes have changed on their way: %s", o.Name)}
	}
	return nil
}
