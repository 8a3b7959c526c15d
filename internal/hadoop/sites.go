package hadoop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// sites reads files of properties, one after the other.
type sites struct {
	properties map[string]string
	final      map[string]bool
	open       []string // files that are being read: an included file cannot include them
}

// read reads the file of this name in the first of the folders that has it.
func (s *sites) read(name string, folders []string) error {
	for _, dir := range folders {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return s.readFile(path)
	}
	return nil
}

// readFile reads one file, which is XML:
//
//	<configuration>
//	  <property><name>N</name><value>V</value><final>true</final></property>
//	  <xi:include href="other.xml"><xi:fallback>…</xi:fallback></xi:include>
//	</configuration>
//
// The parts of a property may be attributes too.
func (s *sites) readFile(path string) error {
	for _, above := range s.open {
		if above == path {
			return fmt.Errorf("%s: the file includes itself", path)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	s.open = append(s.open, path)
	defer func() { s.open = s.open[:len(s.open)-1] }()
	decoder := xml.NewDecoder(file)
	decoder.CharsetReader = latin1
	if err := s.elements(decoder, path); err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// latin1 decodes a file whose first line says that it is not in UTF-8.
func latin1(encoding string, text io.Reader) (io.Reader, error) {
	switch strings.ToLower(encoding) {
	case "iso-8859-1", "latin1", "us-ascii", "ascii":
	default:
		return nil, fmt.Errorf("its encoding is %s: write it in UTF-8", encoding)
	}
	data, err := io.ReadAll(text)
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return strings.NewReader(string(runes)), err
}

// elements reads the elements up to the end of the one that encloses them.
func (s *sites) elements(d *xml.Decoder, path string) error {
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			switch e.Name.Local {
			case "property":
				err = s.property(d, e)
			case "include":
				err = s.include(d, e, path)
			default: // configuration, also one in another
				err = s.elements(d, path)
			}
			if err != nil {
				return err
			}
		}
	}
}

// property reads a property. One without a name, or without a value, is left out. An empty
// value element is no value; an empty attribute is one.
func (s *sites) property(d *xml.Decoder, start xml.StartElement) error {
	var p struct {
		Name  *string `xml:"name"`
		Value *string `xml:"value"`
		Final *string `xml:"final"`
	}
	if err := d.DecodeElement(&p, &start); err != nil {
		return err
	}
	if p.Value != nil && *p.Value == "" {
		p.Value = nil
	}
	for _, a := range start.Attr {
		text := a.Value
		switch part := a.Name.Local; {
		case part == "name" && p.Name == nil:
			p.Name = &text
		case part == "value" && p.Value == nil:
			p.Value = &text
		case part == "final" && p.Final == nil:
			p.Final = &text
		}
	}
	if p.Name == nil {
		return nil
	}
	final := p.Final != nil && *p.Final == "true" // spaces are not left out, in Hadoop 3.3
	name := currentName(strings.TrimSpace(*p.Name))
	if p.Value != nil && !s.final[name] {
		s.properties[name] = *p.Value
	}
	if final {
		s.final[name] = true
	}
	return nil
}

// include reads the file of an include element. If the file is absent, what the fallback
// element has counts, and without one it is an error.
func (s *sites) include(d *xml.Decoder, start xml.StartElement, path string) error {
	href := ""
	for _, a := range start.Attr {
		if a.Name.Local == "href" {
			href = a.Value
		}
	}
	absent := false
	if href != "" {
		name, err := includedPath(href, path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			absent = true
		} else if err := s.readFile(name); err != nil {
			return err
		}
	}
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.EndElement:
			if absent {
				return fmt.Errorf("include %s: %w, and it has no fallback", href, fs.ErrNotExist)
			}
			return nil
		case xml.StartElement:
			if e.Name.Local == "fallback" && absent {
				absent = false
				err = s.elements(d, path)
			} else {
				err = d.Skip()
			}
			if err != nil {
				return err
			}
		}
	}
}

// includedPath returns the file that href names in the file at path. It may be a file: URL,
// or relative to path's folder.
func includedPath(href, path string) (string, error) {
	if u, err := url.Parse(href); err == nil && u.Scheme != "" {
		if u.Scheme != "file" {
			return "", fmt.Errorf("include %s: only files can be included", href)
		}
		return u.Path, nil
	}
	if filepath.IsAbs(href) {
		return href, nil
	}
	return filepath.Join(filepath.Dir(path), href), nil
}
