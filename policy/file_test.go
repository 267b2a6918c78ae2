package policy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const people = `schemaVersion: hallmark.policy/v1
signers:
  release: {key: release.pub}
  second: {key: second.pub}
  ci: {githubRepo: octo/app, sourceRef: refs/heads/main}
verifiers:
  gate: {id: https://example.com/gate, signer: {key: gate.pub}}
`

func parse(t *testing.T, texts ...string) (*Set, error) {
	t.Helper()
	var files []File
	for i, text := range texts {
		files = append(files, File{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	return Parse(files)
}

func mustParse(t *testing.T, texts ...string) *Set {
	t.Helper()
	s, err := parse(t, texts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPlan(t *testing.T, s *Set, name, environment string) Plan {
	t.Helper()
	p, err := s.For(name, environment)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWrongFiles: what a file does not mean is an error at its place.
func TestWrongFiles(t *testing.T) {
	rule := "rules:\n  - subjects: [registry.example.com/*]\n    signatures: [{}]\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":                 {"", "a.yaml:1:1: it is empty"},
		"no YAML":               {"a: [", "a.yaml:1:1: "},
		"version":               {"schemaVersion: hallmark.policy/v9\n", "a.yaml:1:1: schemaVersion"},
		"two documents":         {people + rule + "---\na: b\n", "more than one document"},
		"no rule":               {people, "no rule"},
		"typo":                  {people + "rulez: []\n", `a.yaml:8:1: unknown field "rulez": did you mean "rules"?`},
		"typo below":            {people + "rules:\n  - subject: [a]\n", `a.yaml:9:5: unknown field "subject": did you mean "subjects"?`},
		"anchor":                {people + "rules: &a\n  - subjects: [a/b]\n", "a.yaml:8:8: anchors"},
		"alias":                 {people + "name: *a\n", "unknown anchor"},
		"bomb":                  {people + "name: &a [x, x]\ndescription: [*a, *a]\n", "anchors"},
		"key twice":             {people + rule + "rules: []\n", `"rules" stands here twice`},
		"merge":                 {people + "evidence: {<<: {logs: 1}}\n", "a name has to be a plain text"},
		"wrong type":            {people + "evidence: {logs: one}\n", `a.yaml:8:18: want a number here, not "one"`},
		"negative":              {people + "evidence: {logs: -1}\n", "no number that makes sense"},
		"number for text":       {people + "name: 1.0\n", `write "1.0", in quotes`},
		"yes for true":          {people + "evidence: {allowPending: yes}\n", "want true or false"},
		"empty list":            {people + "rules:\n  - subjects: []\n", "the list is empty"},
		"list for fields":       {people + "evidence: []\n", "want fields here"},
		"no subjects":           {people + "rules:\n  - signatures: [{}]\n", "a rule needs subjects"},
		"asks nothing":          {people + "rules:\n  - subjects: [a/b]\n", "asks for nothing"},
		"tag in pattern":        {people + "rules:\n  - subjects: ['a.example.com/b:v1']\n    signatures: [{}]\n", "names a tag"},
		"unknown signer":        {people + "rules:\n  - subjects: [a/b]\n    signatures: [{by: [relase]}]\n", `no signer "relase": did you mean "release"?`},
		"verifier as signer":    {people + "rules:\n  - subjects: [a/b]\n    signatures: [{by: [gate]}]\n", "the roles are apart"},
		"signer as verifier":    {people + "rules:\n  - subjects: [a/b]\n    verdict: {by: [release], policy: 'sha256:" + strings.Repeat("a", 64) + "'}\n", "the roles are apart"},
		"named twice":           {people + "rules:\n  - subjects: [a/b]\n    signatures: [{by: [release, release], atLeast: 2}]\n", "named twice"},
		"too many wanted":       {people + "rules:\n  - subjects: [a/b]\n    signatures: [{by: [release], atLeast: 2}]\n", "2 signers are wanted"},
		"unknown type":          {people + "rules:\n  - subjects: [a/b]\n    attestations: [{type: sbom}]\n", "unknown type"},
		"verdict as type":       {people + "rules:\n  - subjects: [a/b]\n    attestations: [{type: vsa}]\n", "asked for by verdict"},
		"bad condition":         {people + "rules:\n  - subjects: [a/b]\n    attestations: [{type: link, conditions: ['predicate.(']}]\n", "a.yaml:10:46: condition"},
		"condition no bool":     {people + "rules:\n  - subjects: [a/b]\n    attestations: [{type: link, conditions: ['1 + 1']}]\n", "has to be true or false"},
		"condition unknown":     {people + "rules:\n  - subjects: [a/b]\n    attestations: [{type: link, conditions: ['predicat.x == 1']}]\n", "undeclared reference"},
		"bad duration":          {people + "rules:\n  - subjects: [a/b]\n    signatures: [{maxAge: 3 weeks}]\n", "no length of time"},
		"verdict without":       {people + "rules:\n  - subjects: [a/b]\n    verdict: {by: [gate]}\n", "needs the digest of the policy"},
		"severity":              {people + "rules:\n  - subjects: [a/b]\n    vulnerabilities: {severity: bad}\n", "no severity"},
		"no severity":           {people + "rules:\n  - subjects: [a/b]\n    vulnerabilities: {maxAge: 7d}\n", "needs a severity"},
		"no builder":            {people + "rules:\n  - subjects: [a/b]\n    provenance: {level: 2}\n", "needs builders"},
		"level 4":               {people + "rules:\n  - subjects: [a/b]\n    provenance: {level: 4, builders: [{id: x}]}\n", "levels up to 3"},
		"empty denial":          {people + rule + "deny: [{reason: because}]\n", "what is denied"},
		"denial without reason": {people + rule + "deny: [{signer: ci}]\n", "needs a reason"},
		"denial of two":         {people + rule + "deny: [{signer: ci, digest: 'sha256:" + strings.Repeat("a", 64) + "', reason: x}]\n", "denied as such"},
		"denial of nobody":      {people + rule + "deny: [{signer: nobody, reason: x}]\n", "no signer"},
		"bad fingerprint":       {people + rule + "deny: [{certificate: AB, reason: x}]\n", "no fingerprint"},
		"bad digest":            {people + rule + "deny: [{digest: 'sha256:ab', reason: x}]\n", "no digest"},
		"extends itself":        {people + rule + "environments: {a: {extends: b}, b: {extends: a}}\n", "extends itself"},
		"extends nothing":       {people + rule + "environments: {a: {extends: b}}\n", `no environment "b"`},
		"unknown choice":        {people + rule + "uncovered: accept\n", "none of reject and skip"},
		"key and identity":      {strings.Replace(people, "{key: release.pub}", "{key: release.pub, issuer: x}", 1) + rule, "make two signers"},
		"no issuer":             {strings.Replace(people, "{key: release.pub}", "{identity: x}", 1) + rule, "needs an issuer"},
		"pattern of everything": {strings.Replace(people, "{key: release.pub}", "{issuer: x, identityPattern: '.*'}", 1) + rule, "matches everything"},
		"issuer of everybody":   {strings.Replace(people, "{key: release.pub}", "{issuerPattern: '.+', identity: x}", 1) + rule, "matches everything"},
		"bad pattern":           {strings.Replace(people, "{key: release.pub}", "{issuer: x, identityPattern: '('}", 1) + rule, "pattern"},
		"deep":                  {people + "name: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n", "want a text"},
		"deep parameters": {people + "rules:\n  - subjects: [a/b]\n    provenance: {builders: [{id: x}], externalParameters: {a: " +
			strings.Repeat("[", 40) + "1" + strings.Repeat("]", 40) + "}}\n", "nested too deeply"},
	} {
		_, err := parse(t, c.text)
		if !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := parse(t, people+rule, people); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "already the name") {
		t.Errorf("one name for two in two files: %v", err)
	}
	if _, err := parse(t, strings.Repeat("#", maxFile+1)); !errors.Is(err, ErrFile) {
		t.Errorf("a large file: %v", err)
	}
}

// TestCombine: files and environments add to one another, and the stricter number counts.
func TestCombine(t *testing.T) {
	s := mustParse(t, people+`
evidence: {logs: 1}
rules:
  - {name: base, subjects: ['registry.example.com/team/*'], signatures: [{by: [release]}]}
environments:
  staging: {evidence: {timestamps: 1}, rules: [{name: staging, subjects: ['**'], attestations: [{type: link, by: [ci]}]}]}
  production: {extends: staging, rules: [{name: production, subjects: [registry.example.com/team/app], signatures: [{atLeast: 2}]}]}
`, `schemaVersion: hallmark.policy/v1
evidence: {logs: 2}
deny: [{signer: ci, issuedAfter: 2026-01-01, reason: stolen}]
environments:
  production: {deny: [{certificate: "`+strings.Repeat("a", 64)+`", reason: leaked}]}
`)
	for _, c := range []struct {
		name, environment string
		rules             string
		timestamps        int
		denials           int
	}{
		{"registry.example.com/team/app", "", "base", 0, 1},
		{"registry.example.com/team/app/more", "", "", 0, 1},
		{"registry.example.com/team/other", "staging", "base staging", 1, 1},
		{"registry.example.com/team/app", "production", "base staging production", 1, 2},
		{"", "production", "staging", 1, 2},
	} {
		p := mustPlan(t, s, c.name, c.environment)
		if got := strings.Join(p.Rules, " "); got != c.rules || p.Covered != (c.rules != "") || p.Skip {
			t.Errorf("%+v: rules %q, %+v", c, got, p)
		}
		if p.Policy.Logs != 2 || p.Policy.Timestamps != c.timestamps || len(p.Policy.Denials) != c.denials {
			t.Errorf("%+v: %+v", c, p.Policy)
		}
	}
	if _, err := s.For("", "test"); !errors.Is(err, ErrFile) {
		t.Errorf("an unknown environment: %v", err)
	}
	material := map[string]string{"release": "1"}
	digests := map[string]bool{s.Digest("", material): true, s.Digest("production", material): true, s.Digest("", map[string]string{"release": "2"}): true,
		mustParse(t, people+"rules: [{subjects: [a/b], signatures: [{}]}]\n").Digest("", material): true}
	if len(digests) != 4 {
		t.Errorf("digests do not tell policies apart: %v", digests)
	}
}

// TestUncovered: what no rule speaks about is skipped only if every file says so.
func TestUncovered(t *testing.T) {
	rule := "rules: [{subjects: [a/b], signatures: [{}]}]\n"
	skips := "uncovered: skip\n"
	if p := mustPlan(t, mustParse(t, people+rule+skips), "c/d", ""); p.Covered || !p.Skip {
		t.Errorf("%+v", p)
	}
	if p := mustPlan(t, mustParse(t, people+rule+skips, "schemaVersion: hallmark.policy/v1\n"+skips), "c/d", ""); !p.Skip {
		t.Errorf("%+v", p)
	}
	for _, s := range []*Set{mustParse(t, people+rule), mustParse(t, people+rule+skips, "schemaVersion: hallmark.policy/v1\n"),
		mustParse(t, people+rule+skips, "schemaVersion: hallmark.policy/v1\nuncovered: reject\n")} {
		if p := mustPlan(t, s, "c/d", ""); p.Covered || p.Skip {
			t.Errorf("%+v", p)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"r.example.com/team/*", "r.example.com/team/app", true},
		{"r.example.com/team/*", "r.example.com/team/app/x", false},
		{"r.example.com/team/*", "r.example.com/team/", true},
		{"r.example.com/team/*", "evil.example.com/r.example.com/team/app", false},
		{"r.example.com/team/app", "r.example.com/team/app2", false},
		{"r.example.com/team/app", "rXexample.com/team/app", false},
		{"r.example.com/**", "r.example.com/a/b/c", true},
		{"r.example.com/*-prod", "r.example.com/app-prod", true},
		{"**", "", true},
		{"*", "a/b", false},
		{"localhost:5000/*", "localhost:5000/app", true},
		{"file:*.tgz", "file:app.tgz", true},
	} {
		var g glob
		if err := g.UnmarshalText([]byte(c.pattern)); err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		} else if g.match(c.name) != c.want {
			t.Errorf("%q matches %q: want %v", c.pattern, c.name, c.want)
		}
	}
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{{"refs/tags/v*", "refs/tags/v1/x", true}, {"refs/tags/v*", "refs/tags/x", false}, {"a*c", "abcd", false}, {"a.c", "abc", false}} {
		if MatchGlob(c.pattern, c.name) != c.want {
			t.Errorf("%q matches %q: want %v", c.pattern, c.name, c.want)
		}
	}
}

// TestConditions: an expression holds, or says why not; it costs no more than it may.
func TestConditions(t *testing.T) {
	list := "[" + strings.TrimSuffix(strings.Repeat(`"x",`, 3000), ",") + "]"
	statement := []byte(`{"predicateType":"https://example.com/t","subject":[{"name":"a"}],"predicate":{"result":"PASSED","n":9007199254740993,"f":1.5,"list":` + list + `}}`)
	facts, err := NewFacts(statement, "https://example.com/t", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source string
		want   bool
	}{
		{`predicate.result == "PASSED"`, true},
		{`predicate.result == "FAILED"`, false},
		{`predicate.n == 9007199254740993 && predicate.f > 1.0`, true},
		{`predicate.missing == 1`, false},
		{`predicate.result`, false},
		{`has(predicate.missing)`, false},
		{`statement.subject[0].name == "a" && predicateType.startsWith("https://")`, true},
		{`timestamp("2025-12-31T00:00:00Z") > now - duration("48h")`, true},
		{`predicate.list.all(a, predicate.list.all(b, predicate.list.all(c, a == b && b == c)))`, false}, // costs too much
		{`predicate.list.exists(x, x == "x")`, true},
	} {
		condition, err := ParseCondition(c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		start := time.Now()
		err = condition.Holds(context.Background(), facts)
		if (err == nil) != c.want || err != nil && !errors.Is(err, ErrCondition) {
			t.Errorf("%s: %v, want %v", c.source, err, c.want)
		}
		if strings.Count(c.source, "all(") == 3 && (err == nil || !strings.Contains(err.Error(), "cost limit")) {
			t.Errorf("%s: %v, want it too costly", c.source, err)
		}
		if took := time.Since(start); took > 2*maxConditionTime {
			t.Errorf("%s took %s", c.source, took)
		}
	}
	if _, err := ParseCondition(strings.Repeat("(", 5000)); err == nil {
		t.Error("a condition of parentheses compiles")
	}
	if _, err := NewFacts([]byte(`[]`), "", time.Now()); !errors.Is(err, ErrCondition) {
		t.Errorf("a list for a statement: %v", err)
	}
}

// TestExplain: what is asked for comes out in words, and in every report.
func TestExplain(t *testing.T) {
	s := mustParse(t, everything(t))
	text, err := s.Explain("production")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a signature by at least 2 of release, ci, not older than 30d", "without the packages pkg:npm/left-pad", "SLSA provenance",
		"of build level 2 or above", "https://github.com/octo/app at refs/heads/main", "no finding of severity high", "OpenVEX statements by ci", "but for CVE-2026-0001 until 2027-01-01",
		"PASSED", "Never counts: evidence by ci from before 2026-01-01T00:00:00Z or without a trusted time: rotated", "on every platform",
		"the name of the very repository", "is rejected"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if s.Summary() == "" || !s.NeedsTime() || !s.Keyless() {
		t.Error("summary, time or keyless is wrong")
	}
}

// everything is a policy that uses every field.
func everything(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLint(t *testing.T) {
	s := mustParse(t, `schemaVersion: hallmark.policy/v1
signers:
  a: {key: same.pub}
  b: {key: same.pub}
  unused: {key: other.pub}
  wide: {issuer: 'https://token.actions.githubusercontent.com', identityPattern: 'https://github.com/o.*'}
rules:
  - subjects: ['**']
    signatures: [{by: [a, b], atLeast: 2}]
    provenance: {level: 3, by: [wide], builders: [{id: x, level: 1}], allowUnknownParameters: true}
    vulnerabilities: {by: [a], severity: high}
`)
	got := strings.Join(s.Lint(), "\n")
	for _, want := range []string{`"a" and "b" are the same key`, `"unused" is asked nowhere`, "speaks about everything", "it never counts", "without sources",
		"allowUnknownParameters", "without maxAge", "names no repository"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if list := mustParse(t, people+"rules: [{subjects: [a/b], signatures: [{}]}]\n").Lint(); len(list) != 0 {
		t.Errorf("a sound policy: %v", list)
	}
}

func TestCases(t *testing.T) {
	head := "schemaVersion: hallmark.policy-test/v1\n"
	for text, want := range map[string]string{
		head: "no case",
		"schemaVersion: x\ncases: [{name: a, subject: b, expect: verified}]\n":                   "schemaVersion",
		head + "cases: [{name: a, expect: verified}]\n":                                          "needs a name and a subject",
		head + "cases: [{name: a, subject: b, expect: fine}]\n":                                  "none of",
		head + "cases: [{name: a, subject: b, expect: verified, because: x}]\n":                  "nothing fails",
		head + "cases: [{name: a, subject: b, expect: verified, exepct: x}]\n":                   "did you mean",
		head + "cases: [" + strings.Repeat("{name: a, subject: b, expect: missing},", 2) + "]\n": "two cases",
	} {
		if _, err := ParseCases(File{"c.yaml", []byte(text)}); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	cases, err := ParseCases(File{"c.yaml", []byte(head + "cases:\n  - {name: a, subject: b, expect: rejected, because: x, at: 2026-01-01}\n")})
	if err != nil || len(cases) != 1 || cases[0].Position() != "c.yaml:3" || cases[0].Time.Year() != 2026 {
		t.Errorf("%+v, %v", cases, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(people + "rules: [{subjects: [a/b], signatures: [{}]}]\n"))
	if raw, err := os.ReadFile(filepath.Join("testdata", "everything.yaml")); err == nil {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse([]File{{"f.yaml", data}})
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Errorf("%v is no ErrFile", err)
			}
			return
		}
		for _, environment := range append([]string{""}, s.Environments()...) {
			if _, err := s.For("a/b", environment); err != nil && !errors.Is(err, ErrFile) {
				t.Error(err)
			}
			if _, err := s.Explain(environment); err != nil {
				t.Error(err)
			}
		}
		s.Lint()
	})
}
