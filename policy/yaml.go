package policy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ErrFile says that a policy file does not say what it means: it is no YAML, has a field
// nobody knows, or a value that makes no sense. The text begins with file, line and
// column.
var ErrFile = errors.New("the policy file is wrong")

// Bounds on a policy file.
const (
	maxFile      = 1 << 20
	maxFileDepth = 32
)

// problem is what is wrong at a place of a file.
type problem struct {
	file         string
	line, column int
	text         string
}

func (p *problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.file, p.line, p.column, p.text)
}

func (p *problem) Unwrap() error { return ErrFile }

// place is where something stands in a file, for what is found out later.
type place struct {
	file         string
	line, column int
}

func (p place) problem(format string, args ...any) error {
	return &problem{p.file, p.line, p.column, fmt.Sprintf(format, args...)}
}

// decoder reads YAML into structures, strictly: each field has to be known and of its
// type, no key stands twice, and there are no anchors, which could make a small file
// large.
type decoder struct{ file string }

// decode reads the one document of a file.
func decode(file string, data []byte, into any) error {
	d := decoder{file}
	if len(data) > maxFile {
		return &problem{file, 1, 1, fmt.Sprintf("it has %d bytes; the most is %d", len(data), maxFile)}
	}
	reader := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := reader.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return &problem{file, 1, 1, "it is empty"}
		}
		return d.syntax(err)
	}
	if err := reader.Decode(&more); !errors.Is(err, io.EOF) {
		return &problem{file, max(more.Line, 1), max(more.Column, 1), "it holds more than one document: put each into a file of its own"}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return &problem{file, 1, 1, "it holds no document"}
	}
	return d.value(doc.Content[0], reflect.ValueOf(into).Elem(), 0)
}

// syntax is an error of the YAML parser, which names the line in words.
func (d decoder) syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, rest
			}
		}
	}
	return &problem{d.file, line, 1, text}
}

func (d decoder) wrong(n *yaml.Node, format string, args ...any) error {
	return &problem{d.file, n.Line, n.Column, fmt.Sprintf(format, args...)}
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	placeType    = reflect.TypeFor[place]()
	anyType      = reflect.TypeFor[any]()
)

// scalar is a type that is read from a text.
type scalar interface{ UnmarshalText(text []byte) error }

func (d decoder) value(n *yaml.Node, v reflect.Value, depth int) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return d.wrong(n, "anchors and aliases are not allowed: write it out")
	case depth > maxFileDepth:
		return d.wrong(n, "it is nested too deeply")
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(n, v.Elem(), depth)
	}
	if s, ok := v.Addr().Interface().(scalar); ok && v.Type() != timeType {
		return d.text(n, s)
	}
	switch {
	case v.Type() == anyType:
		return d.anything(n, v, depth)
	case v.Type() == durationType:
		return d.duration(n, v)
	case v.Type() == timeType:
		return d.time(n, v)
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.object(n, v, depth)
	case reflect.Slice:
		return d.list(n, v, depth)
	case reflect.Map:
		return d.mapping(n, v, depth)
	}
	return d.plain(n, v)
}

// plain reads a text, a number or true and false.
func (d decoder) plain(n *yaml.Node, v reflect.Value) error {
	want := map[reflect.Kind]string{reflect.String: "!!str", reflect.Int: "!!int", reflect.Bool: "!!bool"}[v.Kind()]
	name := map[reflect.Kind]string{reflect.String: "a text", reflect.Int: "a number", reflect.Bool: "true or false"}[v.Kind()]
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return d.wrong(n, "want %s here", name)
	}
	if n.Tag != want {
		if v.Kind() == reflect.String {
			return d.wrong(n, "want a text here: write %q, in quotes", n.Value)
		}
		return d.wrong(n, "want %s here, not %q", name, n.Value)
	}
	switch v.Kind() {
	case reflect.String:
		if n.Value == "" {
			return d.wrong(n, "it is empty: leave it out, or say something")
		}
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || i < 0 || i > math.MaxInt32 {
			return d.wrong(n, "%s is no number that makes sense here", n.Value)
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Value != "true" && n.Value != "false" {
			return d.wrong(n, "want true or false here, not %q", n.Value)
		}
		v.SetBool(n.Value == "true")
	}
	return nil
}

func (d decoder) text(n *yaml.Node, s scalar) error {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return d.wrong(n, "want a text here")
	}
	if err := s.UnmarshalText([]byte(n.Value)); err != nil {
		return d.wrong(n, "%v", err)
	}
	return nil
}

// duration reads what [time.ParseDuration] reads, and days as 30d.
func (d decoder) duration(n *yaml.Node, v reflect.Value) error {
	text := n.Value
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if count, err := strconv.ParseUint(days, 10, 16); err == nil && n.Kind == yaml.ScalarNode && count > 0 {
			v.SetInt(int64(count) * int64(24*time.Hour))
			return nil
		}
	}
	length, err := time.ParseDuration(text)
	if n.Kind != yaml.ScalarNode || err != nil || length <= 0 {
		return d.wrong(n, "%q is no length of time: want one such as 30d, 12h or 90m", text)
	}
	v.SetInt(int64(length))
	return nil
}

// time reads a day, or a time with its zone.
func (d decoder) time(n *yaml.Node, v reflect.Value) error {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, n.Value); err == nil && n.Kind == yaml.ScalarNode {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	}
	return d.wrong(n, "%q is no time: want one such as 2026-11-21 or 2026-11-21T08:00:00Z", n.Value)
}

func (d decoder) list(n *yaml.Node, v reflect.Value, depth int) error {
	if n.Kind != yaml.SequenceNode {
		return d.wrong(n, "want a list here, such as [a, b]")
	}
	if len(n.Content) == 0 {
		return d.wrong(n, "the list is empty: leave it out, or name something")
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		if err := d.value(element, out.Index(i), depth+1); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// keys gives the members of a mapping, each key once.
func (d decoder) keys(n *yaml.Node, each func(key, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return d.wrong(n, "want fields here, such as name: value")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" || key.Anchor != "" {
			return d.wrong(key, "a name has to be a plain text: write it in quotes")
		}
		if seen[key.Value] {
			return d.wrong(key, "%q stands here twice", key.Value)
		}
		seen[key.Value] = true
		if err := each(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (d decoder) mapping(n *yaml.Node, v reflect.Value, depth int) error {
	v.Set(reflect.MakeMap(v.Type()))
	return d.keys(n, func(key, value *yaml.Node) error {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(value, element, depth+1); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
		return nil
	})
}

func (d decoder) object(n *yaml.Node, v reflect.Value, depth int) error {
	fields := map[string]reflect.Value{}
	var names []string
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Type == placeType {
			v.Field(i).Set(reflect.ValueOf(place{d.file, n.Line, n.Column}))
			continue
		}
		name := field.Tag.Get("yaml")
		fields[name], names = v.Field(i), append(names, name)
	}
	return d.keys(n, func(key, value *yaml.Node) error {
		field, ok := fields[key.Value]
		if !ok {
			return d.wrong(key, "unknown field %q%s", key.Value, suggestion(key.Value, names))
		}
		return d.value(value, field, depth+1)
	})
}

// anything reads a value whose form nobody prescribes, as JSON would have it.
func (d decoder) anything(n *yaml.Node, v reflect.Value, depth int) error {
	var out any
	switch n.Kind {
	case yaml.MappingNode:
		members := map[string]any{}
		if err := d.mapping(n, reflect.ValueOf(&members).Elem(), depth); err != nil {
			return err
		}
		out = members
	case yaml.SequenceNode:
		elements := make([]any, len(n.Content))
		for i, element := range n.Content {
			if err := d.value(element, reflect.ValueOf(&elements[i]).Elem(), depth+1); err != nil {
				return err
			}
		}
		out = elements
	default:
		if err := n.Decode(&out); err != nil {
			return d.wrong(n, "%v", err)
		}
		if i, ok := out.(int); ok {
			out = int64(i)
		}
		if _, ok := out.(time.Time); ok {
			out = n.Value
		}
	}
	if out != nil {
		v.Set(reflect.ValueOf(out))
	}
	return nil
}

// suggestion is the known name that was probably meant.
func suggestion(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if n := distance(strings.ToLower(name), strings.ToLower(k)); n < least {
			best, least = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	slices.Sort(known)
	return ": here may stand " + strings.Join(known, ", ")
}

// distance is how many letters have to be put in, left out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before, row[j+1] = row[j+1], min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
