package store

import (
	"errors"
	"regexp"
)

// ErrSecret is wrapped if a path has credentials. Paths are in plans, records and messages.
var ErrSecret = errors.New("a path must have no credentials: see docs/storage.md for where they belong")

// secretsInURLs match the parts of URLs that are credentials, after what stays.
var secretsInURLs = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(\b(?:s3[an]?|gs)://[^/@:\s]*:)\S+@`), // keys may have a slash; there are no ports
	regexp.MustCompile(`(://[^/@:\s]*:)[^/@\s]+@`),
	regexp.MustCompile(`(?i)([?&](?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature)=)[^&\s:]+`),
}

// HideSecrets returns a text with *** in the place of the credentials of its URLs:
// passwords, and signatures of presigned URLs and of SAS tokens.
func HideSecrets(text string) string {
	for _, r := range secretsInURLs[:2] {
		text = r.ReplaceAllString(text, "${1}***@")
	}
	return secretsInURLs[2].ReplaceAllString(text, "${1}***")
}

// HasSecrets reports whether a path is a URL with credentials.
func HasSecrets(path string) bool { return Remote(path) && HideSecrets(path) != path }
