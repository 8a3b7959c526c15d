package main

import "fmt"

// verdictFormat is the value of --output: text or json.
type verdictFormat struct{ json bool }

func (f *verdictFormat) String() string {
	if f.json {
		return "json"
	}
	return "text"
}

func (f *verdictFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("must be text or json")
	}
	f.json = s == "json"
	return nil
}

func (f *verdictFormat) Type() string { return "text|json" }

// inferOutput is --output of infer, which has two uses. The values text and
// json are the format of the verdict, as in other commands. Any other value is
// the folder for predictions. A folder named json is given as ./json.
type inferOutput struct {
	format *verdictFormat
	path   string
}

func (o *inferOutput) String() string { return o.path }

func (o *inferOutput) Set(s string) error {
	switch {
	case s == "text" || s == "json":
		return o.format.Set(s)
	case s == "":
		return fmt.Errorf("must be a folder, text or json")
	case o.path != "":
		return fmt.Errorf("two folders, %s and %s", o.path, s)
	}
	o.path = s
	return nil
}

func (o *inferOutput) Type() string { return "folder|text|json" }
