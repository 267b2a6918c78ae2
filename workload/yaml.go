package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on YAML.
const (
	maxDocuments = 10_000
	maxDepth     = 200
	maxParts     = 500_000
	maxAliased   = 100_000 // nodes that aliases may stand for in a file
)

// yamlFile gathers the images of a file of YAML or JSON.
type yamlFile struct {
	name   string
	data   []byte
	starts []int // of lines
	given  map[string]string
	found  map[*yaml.Node]bool // scalars that are images already
	images []Image
	// aliased counts the nodes that aliases stand for.
	aliased int
}

func findYAML(name string, data []byte, given map[string]string) ([]Image, error) {
	f := &yamlFile{name: name, data: data, starts: lineStarts(data), given: given, found: map[*yaml.Node]bool{}}
	if f.parts() > maxParts {
		return nil, &problem{name, 1, fmt.Sprintf("it has more than %d lines and values: split it", maxParts)}
	}
	reader := yaml.NewDecoder(bytes.NewReader(data))
	for range maxDocuments {
		var doc yaml.Node
		err := reader.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return f.images, nil
		}
		if err != nil {
			return nil, f.syntax(err)
		}
		if err := f.document(&doc); err != nil {
			return nil, err
		}
	}
	return nil, &problem{name, 1, fmt.Sprintf("it holds more than %d documents: split it", maxDocuments)}
}

// parts is no less than a third of the values that the file has. The parser takes some
// hundred bytes for each.
func (f *yamlFile) parts() int {
	n := len(f.starts)
	for _, mark := range []string{",", "[", "{"} {
		n += bytes.Count(f.data, []byte(mark))
	}
	return n
}

// syntax is an error of the YAML parser, which names the line in words.
func (f *yamlFile) syntax(err error) error {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, rest
			}
		}
	}
	if bytes.Contains(f.data, []byte("{{")) {
		return &problem{f.name, line, text + ": it looks like a template: render it first, such as with 'helm template'"}
	}
	return &problem{f.name, line, text + ": it is no YAML that can be read; correct it"}
}

func (f *yamlFile) wrong(n *yaml.Node, format string, args ...any) error {
	return &problem{f.name, n.Line, fmt.Sprintf(format, args...)}
}

// document finds the images of one document.
func (f *yamlFile) document(doc *yaml.Node) error {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil
	}
	if err := (&checker{file: f, sizes: map[*yaml.Node]int{}}).check(root, 0); err != nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return f.wrong(root, "it is no Kubernetes manifest, compose file or Dockerfile: name one that is")
	}
	version, kind := textOf(child(root, "apiVersion")), textOf(child(root, "kind"))
	switch {
	case strings.HasPrefix(version, "kustomize.config.k8s.io/") || version == "" && strings.HasPrefix(path.Base(f.name), "kustomization."):
		return f.wrong(root, "it only says how to make manifests: run 'kustomize build' and read what it prints")
	case kind != "":
		return f.manifest(root)
	case version == "" && (child(root, "services") != nil || isComposeName(f.name)):
		return f.compose(root)
	}
	return f.wrong(root, "it is no Kubernetes manifest (kind), compose file (services) or Dockerfile: name one that is")
}

func isComposeName(name string) bool {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	known := strings.HasPrefix(base, "compose.") || strings.HasPrefix(base, "docker-compose.")
	return known && slices.Contains([]string{".yaml", ".yml"}, path.Ext(base))
}

// checker refuses what readers of YAML understand differently, and what would be huge.
type checker struct {
	file  *yamlFile
	sizes map[*yaml.Node]int // of what has an anchor, aliases written out
}

func (c *checker) check(n *yaml.Node, depth int) error {
	_, err := c.size(n, depth)
	return err
}

// size counts the nodes of a tree, aliases written out.
func (c *checker) size(n *yaml.Node, depth int) (int, error) {
	if depth > maxDepth {
		return 0, c.file.wrong(n, "it is nested more than %d deep: flatten it", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	if n.Kind == yaml.MappingNode {
		if err := c.keys(n); err != nil {
			return 0, err
		}
	}
	total := 1
	for _, part := range n.Content {
		size, err := c.size(part, depth+1)
		if err != nil {
			return 0, err
		}
		total += size
	}
	if n.Anchor != "" {
		c.sizes[n] = total
	}
	return total, nil
}

func (c *checker) alias(n *yaml.Node) (int, error) {
	size, ok := c.sizes[n.Alias]
	if !ok {
		return 0, c.file.wrong(n, "*%s contains itself: write it out", n.Value)
	}
	if c.file.aliased += size; c.file.aliased > maxAliased {
		return 0, c.file.wrong(n, "aliases make the file larger by more than %d values: write it out", maxAliased)
	}
	return size, nil
}

// keys wants each key once, and plain.
func (c *checker) keys(n *yaml.Node) error {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || !slices.Contains(keyTags, key.ShortTag()) {
			return c.file.wrong(key, "a key has to be a plain text: write it out")
		}
		if before, twice := seen[key.Value]; twice {
			return c.file.wrong(key, "the key %s stands here twice, first on line %d: leave one out", quoted(key.Value), before)
		}
		seen[key.Value] = key.Line
	}
	return nil
}

// keyTags are those of keys that say what they are as they stand.
var keyTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!merge", "!!timestamp"}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// child is the value of a key, nil if there is none. The keys of a mapping go before
// those that it merges in, and of these the first.
func child(n *yaml.Node, name string) *yaml.Node {
	if list := children(n, name); len(list) > 0 {
		return list[0]
	}
	return nil
}

// children are all values of a key, the mapping's own and those that it merges in.
func children(n *yaml.Node, name string) (list []*yaml.Node) {
	members(n, func(key, value *yaml.Node) {
		if key.Value == name {
			list = append(list, value)
		}
	})
	return list
}

// members calls f for each member of a mapping, its own first, then those that are
// merged in.
func members(n *yaml.Node, f func(key, value *yaml.Node)) {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], target(n.Content[i+1])
		switch {
		case key.ShortTag() != "!!merge":
			f(key, value)
		case value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		default:
			merged = append(merged, value)
		}
	}
	for _, m := range merged {
		members(m, f)
	}
}

// elements are those of a list, aliases followed.
func elements(n *yaml.Node) []*yaml.Node {
	n = target(n)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]*yaml.Node, len(n.Content))
	for i, e := range n.Content {
		out[i] = target(e)
	}
	return out
}

// textOf is a text, "" if it is something else.
func textOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return ""
	}
	return n.Value
}

// text checks that a value is a text, and gives it with its place; ok is false if it
// is null, empty, or was found before.
func (f *yamlFile) text(n *yaml.Node, what string) (t text, ok bool, err error) {
	if n == nil || f.found[n] || n.Kind == yaml.ScalarNode && (n.ShortTag() == "!!null" || n.Tag == "!reset") {
		return t, false, nil
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return t, false, f.wrong(n, "%s: want the image's name as a text here: write it out, in quotes", plain(what))
	}
	f.found[n] = true
	return f.locate(n), n.Value != "", nil
}

func (f *yamlFile) add(n *yaml.Node, what string, t text) error {
	if len(f.images) == maxImages {
		return f.wrong(n, "it names more than %d images: split the file", maxImages)
	}
	image := t.image(f.name, n.Line, plain(what))
	if !image.Replaceable && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		image.Reason = "it is written as a block of text: write it behind its key"
	} else if !image.Replaceable && len(t.at) > 0 && t.at[0] < 0 && f.locate(n).at[0] < 0 {
		image.Reason = "it is written with escapes or over several lines: write it plainly"
	}
	f.images = append(f.images, image)
	return nil
}
