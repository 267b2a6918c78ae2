package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestNothingHidden: no document for people has a character that does not show, or bytes
// that are no UTF-8.
func TestNothingHidden(t *testing.T) {
	for _, format := range []string{"markdown", "junit", "csv", "html", "github"} {
		got := written(t, format, hostileSample())
		if !utf8.ValidString(got) {
			t.Errorf("%s is no UTF-8", format)
		}
		for _, c := range got {
			if c != '\n' && c != '\r' && c != '\ufe0f' && !unicode.IsPrint(c) {
				t.Errorf("%s has %U", format, c)
			}
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 漢": "plain é 漢", "a\nb\tc\rd": `a\nb\tc\rd`, "\x1b[0m\x00": `\x1b[0m\x00`, "\u202ex\u200b": `\u202ex\u200b`, "\xff\xfe": `\xff\xfe`,
		strings.Repeat("é", 1500): strings.Repeat("é", 1000) + "…", "x" + strings.Repeat("漢", 1000): "x" + strings.Repeat("漢", 666) + "…",
	} {
		if got := visible(in); got != want {
			t.Errorf("%.40q becomes %.40q, want %.40q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := visible(s)
		if !utf8.ValidString(got) || len(got) > 4*mostText+3+6 {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
		if inside := code(s); s != "" && strings.ContainsAny(inside, "|\n\r") {
			t.Errorf("%q breaks out of a table", inside)
		}
		if strings.ContainsAny(sarifMessage(s), "[]") {
			t.Errorf("a link in %q", sarifMessage(s))
		}
		if cell := harmless(s); cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			t.Errorf("%q is a formula", cell)
		}
	})
}

// outside takes code spans out of a line, as CommonMark finds them: a run of backticks
// ends at the next run of the same length.
func outside(line string) string {
	runs := regexp.MustCompile("`+").FindAllStringIndex(line, -1)
	var b strings.Builder
	at := 0
	for i := 0; i < len(runs); i++ {
		for j := i + 1; j < len(runs); j++ {
			if runs[j][1]-runs[j][0] == runs[i][1]-runs[i][0] {
				b.WriteString(line[at:runs[i][0]])
				at, i = runs[j][1], j
				break
			}
		}
	}
	b.WriteString(line[at:])
	return b.String()
}

// TestMarkdownHolds: nothing that somebody else wrote is outside a code span, and every
// row of a table has as many cells as its heading.
func TestMarkdownHolds(t *testing.T) {
	cells := 0
	for _, line := range strings.Split(written(t, "markdown", hostileSample()), "\n") {
		own := outside(line)
		for _, never := range []string{"<script", "<img", "](", "@", "www.", "http", "alert", "evil", "heading", "`", "\\"} {
			if strings.Contains(own, never) {
				t.Errorf("%q is outside a code span in %q", never, line)
			}
		}
		switch n := strings.Count(line, "|"); {
		case !strings.HasPrefix(line, "|"):
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			t.Errorf("%d bars, the heading has %d: %q", n, cells, line)
		}
	}
}

func TestMarkdownSaysWhatIsLeftOut(t *testing.T) {
	r := manySample(1000)
	got := written(t, "markdown", r)
	if len(got) >= 1<<20 || !strings.Contains(got, "Left out, because GitHub") {
		t.Errorf("%d bytes, and the end is %q", len(got), got[max(0, len(got)-200):])
	}
	first := strings.Index(got, "## ❌")
	if last := strings.LastIndex(got, "## ❌"); first < 0 || strings.Contains(got[first:last], "## ✅") {
		t.Error("a verified subject comes before a rejected one")
	}
	huge := sampleSubject("x", 0)
	for range 20_000 {
		huge.Report.Evidence = append(huge.Report.Evidence, huge.Report.Evidence[0])
		huge.Report.Warnings = append(huge.Report.Warnings, strings.Repeat("w", 3000))
		huge.Failures = append(huge.Failures, Failure{Type: strings.Repeat("t", 3000), Cause: strings.Repeat("c", 3000)})
	}
	if n := len(written(t, "markdown", run(Rejected, 3, huge))); n >= 1<<20 {
		t.Errorf("one huge subject makes %d bytes", n)
	}
}

func TestCSVReads(t *testing.T) {
	for _, sample := range samples {
		got := written(t, "csv", sample.make())
		if strings.Count(got, "\n") != strings.Count(got, "\r\n") {
			t.Errorf("%s: a line does not end as RFC 4180 wants", sample.name)
		}
		rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || len(rows) < 3 {
			t.Fatalf("%s: %d rows, %v", sample.name, len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
					t.Errorf("%s: %q is a formula", sample.name, cell)
				}
			}
		}
	}
	if got := written(t, "csv", hostileSample()); !strings.Contains(got, `'=cmd|`) {
		t.Error("the sample has no formula that was made harmless")
	}
}

// suites is what a reader of JUnit takes from it.
type suites struct {
	Suites []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnitReads(t *testing.T) {
	for _, sample := range samples {
		got := written(t, "junit", sample.make())
		var read struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
			suites
		}
		dec := xml.NewDecoder(strings.NewReader(got))
		if err := dec.Decode(&read); err != nil {
			t.Fatalf("%s: %v", sample.name, err)
		}
		tests, failures, errors, skipped := 0, 0, 0, 0
		for _, suite := range read.Suites {
			for _, c := range suite.Cases {
				tests++
				failures += there(c.Failure)
				errors += there(c.Error)
				skipped += there(c.Skipped)
			}
		}
		if tests != read.Tests || failures != read.Failures || errors != read.Errors || skipped != read.Skipped {
			t.Errorf("%s says %d, %d, %d, %d and has %d, %d, %d, %d", sample.name, read.Tests, read.Failures, read.Errors, read.Skipped, tests, failures, errors, skipped)
		}
		if sample.name == "mixed" && (failures != 2 || errors != 2 || skipped != 1) {
			t.Errorf("mixed has %d failures, %d errors, %d skipped; want 2, 2, 1", failures, errors, skipped)
		}
	}
}

func there(p *struct{}) int {
	if p == nil {
		return 0
	}
	return 1
}

// TestHTMLHolds: no text of a result becomes an element or an attribute, and there is no
// reference to anything outside.
func TestHTMLHolds(t *testing.T) {
	plain, attacked := written(t, "html", rejectedSample()), written(t, "html", hostileSample())
	tag := regexp.MustCompile(`<[a-zA-Z!/][^>]*`)
	known := map[string]bool{}
	for _, document := range []string{plain, written(t, "html", mixedSample())} {
		for _, found := range tag.FindAllString(document, -1) {
			known[elementName(found)] = true
		}
	}
	for _, found := range tag.FindAllString(attacked, -1) {
		if !known[elementName(found)] {
			t.Errorf("%q is in no page but the hostile one", found)
		}
	}
	for name, n := range map[string]int{"<script": 1, "</script": 1, "<style": 1, "</style": 1, "<h1": 1, "<!DOCTYPE": 1} {
		if got := strings.Count(attacked, name); got != n {
			t.Errorf("%s is there %d times", name, got)
		}
	}
	if !strings.Contains(attacked, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the name that is a script is not shown as text")
	}
	for _, document := range []string{plain, attacked} {
		values := regexp.MustCompile(`"[^"]*"`) // text has its quotation marks escaped
		if m := regexp.MustCompile(`(?i)<[a-z][^>]*\s(src|srcset|xlink:href|action|data|poster|on[a-z]+|style)\s*=[^>]*`).FindString(values.ReplaceAllString(document, `""`)); m != "" {
			t.Errorf("%q", m)
		}
		if m := regexp.MustCompile(`<[^>]*\shref="[^#][^>]*`).FindString(document); m != "" {
			t.Errorf("%q leads elsewhere", m)
		}
		if strings.Contains(document, "ZgotmplZ") || strings.Contains(style, "url(") || strings.Contains(style, "@import") {
			t.Error("the page or its style refers to something, or the template could not place a text")
		}
	}
}

func elementName(tag string) string {
	return strings.ToLower(regexp.MustCompile(`^</?[^\s>]*`).FindString(tag))
}

// TestHTMLPolicy: what the content security policy allows is what is there, and nothing
// else.
func TestHTMLPolicy(t *testing.T) {
	got := written(t, "html", verifiedSample())
	for element, directive := range map[string]string{"script": "script-src", "style": "style-src"} {
		_, rest, _ := strings.Cut(got, "<"+element+">")
		text, _, ended := strings.Cut(rest, "</"+element+">")
		if want := directive + " '" + sourceHash(text) + "'"; !ended || !strings.Contains(got, want) {
			t.Errorf("the policy does not have %q", want)
		}
	}
	if !strings.Contains(got, `content="default-src 'none';`) || strings.Contains(got, "unsafe") {
		t.Error("the policy allows more than that")
	}
}

// TestJSONIsPlain: writing one subject at a time gives what the encoder gives at once.
func TestJSONIsPlain(t *testing.T) {
	for _, r := range []*Result{{}, {Subjects: []*Subject{}}, {Subjects: []*Subject{nil}}, mixedSample(), hostileSample()} {
		var b bytes.Buffer
		if err := encode(&b, r, ""); err != nil {
			t.Fatal(err)
		}
		if got := written(t, "json", r); got != b.String() {
			t.Errorf("got %d bytes, want %d; the first are %.300q", len(got), b.Len(), got)
		}
	}
}

// TestPackagesJoin: a package that every platform has is one row, and counts once for its
// licence.
func TestPackagesJoin(t *testing.T) {
	mit := []string{"MIT"}
	rows, licences := packageRows([]Package{
		{Platform: "a", Name: "z", Version: "1", PURL: "pkg:deb/z@1?arch=a", Licences: mit}, {Platform: "b", Name: "z", Version: "1", PURL: "pkg:deb/z@1?arch=b", Licences: mit},
		{Platform: "b", Name: "z", Version: "2", PURL: "pkg:deb/z@2?arch=b", Licences: mit}, {Platform: "a", Name: "y", Version: "1"},
	})
	want := []packageRow{{Name: "y", Version: "1", Platforms: "a"}, {"z", "1", "pkg:deb/z@1", "MIT", "a, b"}, {"z", "2", "pkg:deb/z@2?arch=b", "MIT", "b"}}
	if !slices.Equal(rows, want) || !slices.Equal(licences, []licenceCount{{"MIT", 2}, {noLicence, 1}}) {
		t.Errorf("rows %v, licences %v", rows, licences)
	}
}

// TestHTMLManySubjects: with more subjects than get everything, the page says so, and the
// failures are among those that do.
func TestHTMLManySubjects(t *testing.T) {
	got := written(t, "html", manySample(120))
	if n := strings.Count(got, "<svg"); n != fullSubjects {
		t.Errorf("%d pictures, want %d", n, fullSubjects)
	}
	if n := strings.Count(got, `<section class="subject"`); n != 120 || !strings.Contains(got, "first 50 subjects") {
		t.Errorf("%d sections", n)
	}
}

func TestSARIFShape(t *testing.T) {
	var d struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(written(t, "sarif", mixedSample())), &d); err != nil || d.Version != "2.1.0" || len(d.Runs) != 1 {
		t.Fatalf("%v: %+v", err, d)
	}
	got := map[string]int{}
	for _, r := range d.Runs[0].Results {
		got[r.Level]++
		if d.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %d is not %s", r.RuleIndex, r.RuleID)
		}
		if r.RuleID == "spdx" {
			first, second := r.Locations[0].PhysicalLocation, r.Locations[1].PhysicalLocation
			if first.ArtifactLocation.URI != "deploy/api.yaml" || first.Region.StartLine != 12 || second.ArtifactLocation.URI != "deploy/with%20space.yaml" {
				t.Errorf("locations: %+v", r.Locations)
			}
		}
	}
	if got["error"] != 3 || got["warning"] != 1 || len(d.Runs[0].Results) != 4 {
		t.Errorf("results: %v", got)
	}
	for path, want := range map[string]string{"localhost:5000/a:1": "localhost%3A5000/a%3A1", "//evil/x": "evil/x", `\\evil`: "evil", "": "unnamed", "javascript:1": "javascript%3A1"} {
		if got := relativeURI(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

// TestSARIFSchema holds every sample against the schema of SARIF 2.1.0, which is not ours
// to keep: SARIF_SCHEMA says where it is.
func TestSARIFSchema(t *testing.T) {
	path := os.Getenv("SARIF_SCHEMA")
	if path == "" {
		if os.Getenv("HALLMARK_NO_SKIP") != "" {
			t.Fatal("HALLMARK_NO_SKIP is set, and SARIF_SCHEMA is not")
		}
		t.Skip("SARIF_SCHEMA does not say where the schema is; go mod download -json github.com/securego/gosec/v2@v2.29.0 gets a module that has it, in report/sarif/testdata")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(sarifSchema, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(sarifSchema)
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}
	for _, sample := range samples {
		text := written(t, "sarif", sample.make())
		if err := check(text); err != nil {
			t.Errorf("%s: %v", sample.name, err)
		}
		if check(strings.Replace(text, `"driver"`, `"drivers"`, 1)) == nil {
			t.Errorf("%s: the schema lets anything pass", sample.name)
		}
	}
	if err := check(written(t, "sarif", &Result{})); err != nil {
		t.Errorf("no subject: %v", err)
	}
}

// TestAnnotations: nothing that somebody else wrote ends a workflow command, gives it
// another property, or starts one of its own.
func TestAnnotations(t *testing.T) {
	r := hostileSample()
	for _, s := range r.Subjects {
		s.Verdict, s.Subject = Rejected, "app,file=/etc/passwd::x\n::set-env name=A::b"
		s.Failures = []Failure{{Verdict: Rejected, Type: "signature", On: "sha256:0", Cause: "50%0A\r\n::add-mask::x"}}
	}
	got := written(t, "github", r)
	command := regexp.MustCompile(`^::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*$`)
	for _, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		if !command.MatchString(line) {
			t.Errorf("not one command: %q", line)
		}
	}
	if !strings.Contains(got, "50%250A") {
		t.Errorf("what stands for a line end was not escaped:\n%s", got)
	}
	if got := written(t, "github", verifiedSample()); got != "" {
		t.Errorf("annotations of what is verified: %s", got)
	}
}
