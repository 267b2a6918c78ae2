// Package settings reads configuration files: YAML that gives flags of commands values.
// It knows nothing of which flags there are.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrFile says that a configuration file does not say what it means. The text begins with
// file, line and column.
var ErrFile = errors.New("the configuration file is wrong")

// MaxFile is the size of a configuration file that is read.
const MaxFile = 1 << 20

// Setting gives one flag its values.
type Setting struct {
	Flag   string
	Values []string
	List   bool // written as a list
	// Place is the file with line and column.
	Place string
}

// Errorf is an error about s that wraps [ErrFile].
func (s Setting) Errorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrFile, s.Place, fmt.Errorf(format, args...))
}

// File is what a configuration file sets.
type File struct {
	Name string
	All  []Setting // for every command that has the flag
	// Commands are for one command, by its name without the program's, such as "trust init".
	Commands map[string][]Setting
	places   map[string]string // of the names of commands
}

// Parse reads a file:
//
//	flag: value          # for every command that has the flag
//	flag: [value, …]
//	commands:
//	  verify:
//	    flag: value      # for this command
//
// Anchors, other types, names that stand twice and further documents are errors. They wrap
// [ErrFile].
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name, Commands: map[string][]Setting{}, places: map[string]string{}}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrFile, name, MaxFile)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) { // an empty file sets nothing
		return f, nil
	}
	if err == nil && !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF) {
		err = errors.New("there is more than one document")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFile, name, err)
	}
	err = f.mapping(doc.Content[0], func(key, value *yaml.Node) error {
		if key.Value != "commands" {
			return f.setting(&f.All, key, value)
		}
		return f.mapping(value, func(key, value *yaml.Node) error {
			f.places[key.Value] = f.place(key)
			var list []Setting
			err := f.mapping(value, func(key, value *yaml.Node) error { return f.setting(&list, key, value) })
			f.Commands[key.Value] = list
			return err
		})
	})
	return f, err
}

// PlaceOf is where the name of a command stands.
func (f *File) PlaceOf(command string) string { return f.places[command] }

// For are the settings for a command: its own before those for every one.
func (f *File) For(command string) []Setting {
	out := append([]Setting(nil), f.Commands[command]...)
	own := map[string]bool{}
	for _, s := range out {
		own[s.Flag] = true
	}
	for _, s := range f.All {
		if !own[s.Flag] {
			out = append(out, s)
		}
	}
	return out
}

func (f *File) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", f.Name, n.Line, n.Column) }

func (f *File) wrong(n *yaml.Node, text string) error {
	return fmt.Errorf("%w: %s: %s", ErrFile, f.place(n), text)
}

// mapping calls each for the members of a mapping.
func (f *File) mapping(n *yaml.Node, each func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		return f.wrong(n, "want names with values")
	}
	names := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" || strings.HasPrefix(key.Value, "-") {
			return f.wrong(key, "want the name of a flag, without dashes")
		}
		if names[key.Value] {
			return f.wrong(key, fmt.Sprintf("%q stands twice", key.Value))
		}
		names[key.Value] = true
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) setting(list *[]Setting, key, value *yaml.Node) error {
	s := Setting{Flag: key.Value, Place: f.place(key)}
	nodes := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		nodes, s.List = value.Content, true
	}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Tag == "!!null" || n.Tag == "!!binary" {
			return f.wrong(n, fmt.Sprintf("%q wants a text, a number, true, false, or a list of them", key.Value))
		}
		s.Values = append(s.Values, n.Value)
	}
	if len(s.Values) == 0 {
		return f.wrong(value, fmt.Sprintf("%q is an empty list", key.Value))
	}
	*list = append(*list, s)
	return nil
}
