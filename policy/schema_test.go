package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-project/hallmark/inventory"
)

var update = flag.Bool("update", false, "write docs/policy.schema.json anew")

const schemaFile = "../docs/policy.schema.json"

// descriptions are what editors show, by name of the field.
var descriptions = map[string]string{
	"schemaVersion":          "The form of this file: " + FileVersion + ".",
	"uncovered":              "What happens to a subject that no rule speaks about: reject (the default), or skip.",
	"evidence":               "How evidence has to be witnessed.",
	"signers":                "Who signs, by a name of your choice: a key, an identity, or an authority of your own.",
	"verifiers":              "Whose verdicts count. A verifier's signature counts for nothing else.",
	"rules":                  "What is asked of the images of some repositories. Every rule that speaks about an image has to hold.",
	"subjects":               "Patterns of repositories: * is any part of one segment, ** is anything. file:NAME is a file.",
	"sameRepository":         "Signed statements have to name the very repository that is asked for.",
	"signatures":             "Signatures by so many different signers.",
	"attestations":           "Attestations of a type.",
	"sbom":                   "An SBOM on every platform, and what it must not name.",
	"provenance":             "SLSA provenance: builder, level, source, parameters.",
	"vulnerabilities":        "What the newest vulnerability scan must not find.",
	"verdict":                "A verdict by a verifier on another policy.",
	"deny":                   "What must not count, or be accepted, for a reason that is shown.",
	"environments":           "What is asked besides, with --env.",
	"extends":                "The environment whose rules hold here too.",
	"by":                     "Names of signers; left out, any of them.",
	"atLeast":                "How many different signers; one if it is left out.",
	"maxAge":                 "How old it may be by trusted time: 30d, 12h, 90m.",
	"conditions":             "Expressions in CEL over predicate, statement, predicateType and now.",
	"key":                    "Public key: a path beside this file, or a URI.",
	"authority":              "Certificates in PEM form, the root last, or a trusted root: vouches for this signer only.",
	"identityPattern":        "Regular expression that has to match the whole name.",
	"issuerPattern":          "Regular expression that has to match the whole issuer.",
	"githubRepo":             "OWNER/REPO on github.com; sets issuer, name and source repository.",
	"gitlabProject":          "GROUP/PROJECT on gitlab.com; sets issuer, name and source repository.",
	"externalParameters":     "Parameters that are expected: the value has to be equal; null is any.",
	"allowUnknownParameters": "Let parameters pass that nobody expects.",
	"rederive":               "How many packages may differ between the SBOM and what the image itself shows.",
	"reason":                 "Why; people who are turned away are shown it.",
}

// schemaOf describes a type as the decoder reads it.
func schemaOf(t reflect.Type) map[string]any {
	text := func(more map[string]any) map[string]any { more["type"] = "string"; return more }
	switch t {
	case durationType:
		return text(map[string]any{"pattern": `^([0-9]+d|([0-9]+(\.[0-9]+)?(h|m|s))+)$`})
	case timeType:
		return text(map[string]any{"pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$`})
	case anyType:
		return map[string]any{}
	case reflect.TypeFor[choice]():
		return text(map[string]any{"enum": []string{string(reject), string(skip)}})
	case reflect.TypeFor[severity]():
		return text(map[string]any{"enum": Severities()[1:]})
	case reflect.TypeFor[Pattern](), reflect.TypeFor[Condition](), reflect.TypeFor[glob](), reflect.TypeFor[packagePattern]():
		return text(map[string]any{"minLength": 1})
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return text(map[string]any{"minLength": 1})
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Slice:
		return map[string]any{"type": "array", "minItems": 1, "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	}
	properties := map[string]any{}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Type == placeType {
			continue
		}
		name := field.Tag.Get("yaml")
		one := schemaOf(field.Type)
		if d := descriptions[name]; d != "" {
			one["description"] = d
		}
		switch name {
		case "minimumElements":
			one["enum"] = inventory.Standards()
		case "level":
			one["maximum"] = 3
		case "formats":
			one["items"] = map[string]any{"enum": []string{"spdx", "cyclonedx", "syft"}}
		}
		properties[name] = one
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if required := requiredOf[t]; required != nil {
		out["required"] = required
	}
	return out
}

var requiredOf = map[reflect.Type][]string{
	reflect.TypeFor[file]():                {"schemaVersion"},
	reflect.TypeFor[fileRule]():            {"subjects"},
	reflect.TypeFor[fileAttestation]():     {"type"},
	reflect.TypeFor[fileProvenance]():      {"builders"},
	reflect.TypeFor[fileBuilder]():         {"id"},
	reflect.TypeFor[fileSource]():          {"repository"},
	reflect.TypeFor[fileVulnerabilities](): {"severity"},
	reflect.TypeFor[fileVerdict]():         {"policy"},
	reflect.TypeFor[fileDenial]():          {"reason"},
	reflect.TypeFor[filePackage]():         {"package"},
	reflect.TypeFor[fileAccepted]():        {"id"},
}

// TestSchema: the published schema says what the decoder reads.
func TestSchema(t *testing.T) {
	schema := schemaOf(reflect.TypeFor[file]())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "A policy of hallmark, " + FileVersion
	want, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/policy.schema.json does not say what the program reads (%v): run make golden", err)
	}
}

// TestFilesFitTheSchema: what the program reads fits, and a typo does not.
func TestFilesFitTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	fits := func(name string, raw []byte) error {
		var doc any
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		asJSON, err := json.Marshal(doc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(instance)
	}
	files, err := filepath.Glob("../examples/*/policy*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.DeleteFunc(files, func(n string) bool { return filepath.Base(n) == "policy_test.yaml" }), "testdata/everything.yaml") {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := fits(name, raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw := []byte(everything(t))
	for _, change := range [][2]string{{"signers:", "singers:"}, {"severity: high", "severity: bad"}, {"logs: 1", "logs: one"}, {"level: 2", "level: 4"}, {"30d", "30 days"}} {
		if err := fits("changed", bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)); err == nil {
			t.Errorf("%q in place of %q fits", change[1], change[0])
		}
	}
}
