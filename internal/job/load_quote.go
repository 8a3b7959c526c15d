package job

import (
	"regexp"
	"strings"

	"tfos/internal/store"
)

// masked stands for a value that is not shown.
const masked = "***"

var (
	// spark.redaction.regex as Spark 3.5 has it, and credentials, passphrases, and names with
	// "key" or "sas" as a word: fs.azure.account.key.ACCOUNT.
	secretName = regexp.MustCompile(`(?i)secret|password|passphrase|token|credential|access[.]?key|(^|[._-])(key|sas)([._-]|$)`)
	plainWord  = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
)

// secret tells whether a text looks like, or names, something to hide.
func secret(name string) bool { return secretName.MatchString(name) }

// Quote writes argv as one line for a POSIX shell. With mask a value of `--conf
// name=value` is *** when its name or itself looks like a secret, as in Spark's
// Utils.redact, and so are passwords in URLs.
func Quote(argv []string, mask bool) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		if mask {
			name, value, ok := strings.Cut(word, "=")
			if ok && i > 0 && argv[i-1] == "--conf" && (secret(name) || secret(value)) {
				word = name + "=" + masked
			}
			word = store.HideSecrets(word)
		}
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}

func quoteWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
