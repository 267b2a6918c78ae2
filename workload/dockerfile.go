package workload

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dockerfile gathers the images of a Dockerfile.
type dockerfile struct {
	file   string
	data   []byte
	escape byte
	given  map[string]string
	args   map[string]variable // those before the first FROM, which FROM may use
	stages []string            // names in lower case, "" where there is none
	names  []string            // of all stages of the file
	images []Image
	uses   []use
}

// use is a text that a FROM came to.
type use struct {
	value text
	image int // in images; -1 if it is a stage
}

// platformArgs are set by the builder.
var platformArgs = []string{
	"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
	"BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
}

func findDockerfile(name string, data []byte, given map[string]string) ([]Image, error) {
	lines := newDockerLines(name, data)
	var list []instruction
	for {
		i, ok, err := lines.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		list = append(list, i)
	}
	d := &dockerfile{file: name, data: data, escape: lines.escape, given: given, args: map[string]variable{}}
	if lines.syntax != nil {
		d.images = append(d.images, lines.syntax.image(name, lines.syntaxAt, "syntax directive"))
	}
	if err := d.instructions(list); err != nil {
		return nil, err
	}
	d.checkShared()
	return d.images, nil
}

func (d *dockerfile) wrong(line int, err error) error { return &problem{d.file, line, err.Error()} }

func (d *dockerfile) instructions(list []instruction) error {
	for _, i := range list {
		if i.keyword == "FROM" {
			d.names = append(d.names, stageName(fromFields(i)))
		}
	}
	if len(d.names) == 0 {
		return d.wrong(1, errors.New("it has no FROM: is this a Dockerfile?"))
	}
	for _, i := range list {
		if len(d.images) > maxImages {
			return d.wrong(i.line, fmt.Errorf("it names more than %d images: split the file", maxImages))
		}
		if err := d.instruction(i); err != nil {
			return d.wrong(i.line, err)
		}
	}
	return nil
}

func (d *dockerfile) instruction(i instruction) error {
	switch {
	case i.keyword == "FROM":
		return d.from(i)
	case len(d.stages) == 0 && i.keyword != "ARG":
		return fmt.Errorf("%s stands before the first FROM: only ARG may", i.keyword)
	case len(d.stages) == 0:
		d.declare(i)
		return nil
	case i.keyword == "ONBUILD":
		i.keyword, i.rest = keyword(i.rest)
		return d.sources(i, "ONBUILD ")
	}
	return d.sources(i, "")
}

// declare takes in the ARGs before the first FROM. What is wrong with one matters only
// where it is used.
func (d *dockerfile) declare(i instruction) {
	list, _ := words(i.rest, d.escape)
	for _, word := range list {
		name, value, hasDefault := word, text{}, false
		if n := bytes.IndexByte(word.b, '='); n >= 0 {
			name, value, hasDefault = word.cut(0, n), word.cut(n+1, len(word.b)), true
		}
		d.args[name.String()] = d.argument(name.String(), value, hasDefault)
	}
}

func (d *dockerfile) argument(name string, value text, hasDefault bool) variable {
	if given, ok := d.given[name]; ok {
		return variable{value: foreign(given), set: true}
	}
	if !hasDefault {
		return variable{}
	}
	value, err := d.expand(value)
	if err != nil {
		return variable{problem: fmt.Errorf("ARG %s: %w", plain(name), err)}
	}
	return variable{value: value, set: true}
}

func (d *dockerfile) expand(t text) (text, error) {
	return expander{shell: true, escape: d.escape, lookup: d.lookup}.expand(t)
}

func (d *dockerfile) lookup(name string) variable {
	if v, ok := d.args[name]; ok {
		return v
	}
	if given, ok := d.given[name]; ok && slices.Contains(platformArgs, name) {
		return variable{value: foreign(given), set: true}
	}
	return variable{}
}

// fromFields are the words of a FROM, without its flags.
func fromFields(i instruction) (fields []text) {
	_, rest := buildFlags(i.rest)
	for len(rest.b) > 0 {
		n := bytes.IndexAny(rest.b, dockerBlanks)
		if n < 0 {
			n = len(rest.b)
		}
		fields, rest = append(fields, rest.cut(0, n)), rest.cut(n, len(rest.b)).trim()
	}
	return fields
}

// stageName is the name in FROM IMAGE AS NAME, "" if there is none.
func stageName(fields []text) string {
	if len(fields) != 3 {
		return ""
	}
	return strings.ToLower(fields[2].String())
}

func (d *dockerfile) from(i instruction) error {
	fields := fromFields(i)
	if len(fields) != 1 && (len(fields) != 3 || !strings.EqualFold(fields[1].String(), "as")) {
		return errors.New("want FROM IMAGE or FROM IMAGE AS NAME here")
	}
	value, err := d.expand(fields[0])
	if err != nil {
		return err
	}
	if len(value.b) == 0 {
		return errors.New("the image's name comes out empty: give its variables values")
	}
	used := use{value, -1}
	stage := slices.Contains(d.stages, strings.ToLower(value.String()))
	d.stages = append(d.stages, stageName(fields))
	if !stage && value.String() != "scratch" {
		used.image = len(d.images)
		d.images = append(d.images, value.image(d.file, i.line, plain(d.stage())))
	}
	d.uses = append(d.uses, used)
	return nil
}

// stage names the stage that is being read, for people.
func (d *dockerfile) stage() string {
	last := len(d.stages) - 1
	if d.stages[last] != "" {
		return "stage " + d.stages[last]
	}
	return "stage " + strconv.Itoa(last)
}

// sources finds the images that COPY --from and RUN --mount=…,from= name.
func (d *dockerfile) sources(i instruction, trigger string) error {
	flags, _ := buildFlags(i.rest)
	for _, flag := range flags {
		name, value := flag, text{}
		if n := bytes.IndexByte(flag.b, '='); n >= 0 {
			name, value = flag.cut(0, n), flag.cut(n+1, len(flag.b))
		}
		var err error
		switch i.keyword + " " + name.String() {
		case "COPY --from":
			err = d.source(value, i.line, trigger+"COPY --from", trigger != "", true)
		case "RUN --mount":
			err = d.mount(value, i.line, trigger)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mount finds from= among the fields of a mount, which are those of a line of CSV.
func (d *dockerfile) mount(value text, line int, trigger string) error {
	for _, field := range mountFields(value) {
		n := bytes.IndexByte(field.b, '=')
		if n < 0 || !strings.EqualFold(field.cut(0, n).String(), "from") {
			continue
		}
		if err := d.source(field.cut(n+1, len(field.b)), line, trigger+"RUN --mount", trigger != "", false); err != nil {
			return err
		}
	}
	return nil
}

func mountFields(value text) (fields []text) {
	if bytes.IndexByte(value.b, '"') >= 0 {
		list, err := csv.NewReader(bytes.NewReader(value.b)).Read()
		if err != nil {
			return nil // no builder reads it either
		}
		for _, field := range list {
			fields = append(fields, foreign(field))
		}
		return fields
	}
	for {
		n := bytes.IndexByte(value.b, ',')
		if n < 0 {
			return append(fields, value)
		}
		fields, value = append(fields, value.cut(0, n)), value.cut(n+1, len(value.b))
	}
}

// source takes in what something is copied or mounted from: an image, unless it is a
// stage. What runs ONBUILD has stages of its own, which are not known here.
func (d *dockerfile) source(from text, line int, what string, onBuild, byNumber bool) error {
	name := strings.ToLower(from.String())
	here := len(d.stages) - 1
	switch number, err := strconv.Atoi(name); {
	case name == "" || name == "scratch":
		return nil
	case strings.Contains(name, "$"):
		return fmt.Errorf("%s=%s: builders put no variables in here: make it a stage with FROM", what, quoted(name))
	case err == nil && onBuild && byNumber:
		return nil
	case err == nil && (!byNumber || number < 0 || number >= here):
		return fmt.Errorf("%s=%s is no earlier stage: give the stage a name and use it", what, quoted(name))
	case err == nil:
		return nil
	case !onBuild && slices.Contains(d.stages[:here], name):
		return nil
	case !onBuild && slices.Contains(d.names, name):
		return fmt.Errorf("%s=%s is a stage that is not done by then, and an image to some builders: put the stage before", what, quoted(name))
	}
	d.images = append(d.images, from.image(d.file, line, plain(d.stage()+", "+what)))
	return nil
}

// checkShared finds defaults of ARG that are an image in one FROM, and a part of one or
// a stage in another: replacing them would change the other.
func (d *dockerfile) checkShared() {
	const nobody, several = 0, -1
	owners := make([]int, len(d.data))
	for _, u := range d.uses {
		owner := several
		if u.image >= 0 && d.images[u.image].Replaceable {
			owner = d.images[u.image].Start<<32 | d.images[u.image].End
		}
		for _, at := range u.value.at {
			if at >= 0 && owners[at] != nobody && owners[at] != owner {
				owners[at] = several
			} else if at >= 0 {
				owners[at] = owner
			}
		}
	}
	for _, u := range d.uses {
		if u.image >= 0 && d.images[u.image].Replaceable && slices.ContainsFunc(u.value.at, func(at int) bool { return owners[at] == several }) {
			d.images[u.image].Replaceable = false
			d.images[u.image].Reason = "another FROM uses the same variable for something else: write the image out"
		}
	}
}
