package hadoop

import (
	"os/user"
	"strings"
)

// maxSubstitutions is Hadoop's limit of variables in one value (Configuration.MAX_SUBST).
const maxSubstitutions = 20

// substitute replaces the variables of a value as Configuration.substituteVars does:
// ${name} by another property, ${env.NAME} by the environment, ${env.NAME:-text} and
// ${env.NAME-text} with a default. An unknown variable ends the replacement. A value that
// refers to itself stays as it is; so does one that needs more than maxSubstitutions, for
// which Hadoop throws an exception.
func (c Configuration) substitute(value string) string {
	text := value
	for range maxSubstitutions {
		begin, end := findVariable(text)
		if begin < 0 {
			return text
		}
		variable := text[begin:end]
		with, found := c.variable(variable[len("${") : len(variable)-len("}")])
		if !found {
			return text
		}
		if strings.Contains(with, variable) {
			return value
		}
		text = text[:begin] + with + text[end:]
	}
	return value
}

// variable returns what stands for ${name}.
func (c Configuration) variable(name string) (string, bool) {
	if variable, found := strings.CutPrefix(name, "env."); found && variable != "" {
		return c.environment(variable)
	}
	if value, found := systemProperty(name); found {
		return value, true
	}
	value, found := c.raw[currentName(name)]
	return value, found
}

// environment returns the variable of the environment that NAME, NAME:-default or
// NAME-default stands for. An empty variable counts as not set.
func (c Configuration) environment(text string) (string, bool) {
	name, other, hasDefault := strings.Cut(text, "-")
	name = strings.TrimSuffix(name, ":")
	if value := c.env(name); value != "" {
		return value, true
	}
	return other, hasDefault
}

// systemProperty returns the properties of a Java process that configurations use.
func systemProperty(name string) (string, bool) {
	switch name {
	case "java.io.tmpdir":
		return "/tmp", true
	case "user.name", "user.home":
		u, err := user.Current()
		if err != nil {
			return "", false
		}
		if name == "user.home" {
			return u.HomeDir, true
		}
		return u.Username, true
	}
	return "", false
}

// findVariable returns where the first innermost variable ${…} is, or -1. Names have no
// spaces, $ or braces.
func findVariable(text string) (begin, end int) {
	for begin = strings.Index(text, "${"); begin >= 0; {
		rest := text[begin+len("${"):]
		stop := strings.IndexAny(rest, "} $")
		switch {
		case stop < 0:
			return -1, -1
		case rest[stop] == '}' && stop > 0:
			return begin, begin + len("${") + stop + len("}")
		}
		next := strings.Index(rest[stop:], "${")
		if next < 0 {
			return -1, -1
		}
		begin += len("${") + stop + next
	}
	return -1, -1
}
