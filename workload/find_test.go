package workload

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// shown is an image in one line: its line, reference and what it is, and + if it can be
// pinned.
func shown(images []Image) string {
	var out []string
	for _, i := range images {
		mark := "-"
		if i.Replaceable {
			mark = "+"
		}
		out = append(out, fmt.Sprintf("%d%s %s (%s)", i.Line, mark, i.Reference, i.What))
	}
	return strings.Join(out, "\n")
}

// finding is a file with the images that it names, or a part of the error.
type finding struct {
	name, file, text string
	args             map[string]string
	want, err        string
}

func (f finding) run(t *testing.T) {
	t.Helper()
	images, err := Find(f.file, []byte(f.text), f.args)
	if f.err != "" {
		if err == nil || !strings.Contains(err.Error(), f.err) || !errors.Is(err, ErrFile) {
			t.Fatalf("error %v, want one with %q; found\n%s", err, f.err, shown(images))
		}
		if !strings.HasPrefix(err.Error(), f.file+":") || !strings.Contains(err.Error(), ": ") {
			t.Errorf("%v: does not begin with file and line", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(images); got != f.want {
		t.Errorf("found\n%s\nwant\n%s", got, f.want)
	}
	for _, i := range images {
		if i.Replaceable && f.text[i.Start:i.End] != i.Reference {
			t.Errorf("%s: the place holds %q", i.Reference, f.text[i.Start:i.End])
		}
		if i.Replaceable == (i.Reason != "") {
			t.Errorf("%s: replaceable %v, reason %q", i.Reference, i.Replaceable, i.Reason)
		}
	}
}

func runFindings(t *testing.T, list []finding) {
	for _, f := range list {
		t.Run(f.name, func(t *testing.T) { f.run(t) })
	}
}

// TestKinds: what a file is, is told from its name and content.
func TestKinds(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: x}]}\n"
	runFindings(t, []finding{
		{name: "stdin YAML", file: "-", text: pod, want: "3+ x (Pod, container a)"},
		{name: "stdin Dockerfile", file: "-", text: "# comment\n\nfrom x\n", want: "3+ x (stage 0)"},
		{name: "stdin Dockerfile by ARG", file: "-", text: "ARG\tX=1\nFROM y\n", want: "2+ y (stage 0)"},
		{name: "stdin compose", file: "-", text: "services: {a: {image: x}}\n", want: "1+ x (service a)"},
		{name: "Dockerfile.web", file: "web/Dockerfile.web", text: "FROM x\n", want: "1+ x (stage 0)"},
		{name: "web.Dockerfile", file: `dir\web.Dockerfile`, text: "FROM x\n", want: "1+ x (stage 0)"},
		{name: "Containerfile", file: "Containerfile", text: "FROM x\n", want: "1+ x (stage 0)"},
		{name: "a manifest in dockerfile.yaml", file: "dockerfile.yaml", text: pod, want: "3+ x (Pod, container a)"},
		{name: "empty", file: "a.yaml", text: "", want: ""},
		{name: "comments only", file: "a.yaml", text: "# nothing\n---\n---\n# more\n", want: ""},
		{name: "no such thing", file: "values.yaml", text: "image: x\n", err: "it is no Kubernetes manifest"},
		{name: "no version", file: "a.yaml", text: "kind: Pod\nspec: {containers: [{name: a, image: x}]}\n", want: "2+ x (Pod, container a)"},
		{name: "no kind", file: "a.yaml", text: "apiVersion: v1\nspec: {containers: [{image: x}]}\n", err: "it is no Kubernetes manifest"},
		{name: "a list", file: "a.yaml", text: "- x\n", err: "it is no Kubernetes manifest"},
		{name: "a text", file: "a.yaml", text: "x", err: "it is no Kubernetes manifest"},
		{name: "kustomization", file: "k.yaml", text: "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n", err: "kustomize build"},
		{name: "kustomization without kind", file: "d/kustomization.yaml", text: "resources: [a.yaml]\n", err: "kustomize build"},
		{name: "template", file: "a.yaml", text: "a: {{ .Values.x }}\n{{- end }}\n", err: "helm template"},
		{name: "no text", file: "a.yaml", text: "a: \xff\n", err: "no text in UTF-8"},
		{name: "UTF-16", file: "a.yaml", text: "\xff\xfea\x00:\x00", err: "no text in UTF-8"},
		{name: "too large", file: "a.yaml", text: strings.Repeat("#", maxFile+1), err: "the most is"},
		{name: "an expression that nobody expanded", file: "a.yaml", text: strings.Replace(pod, "image: x", "image: '${X}'", 1), err: "no name of an image"},
		{name: "a control character", file: "a.yaml", text: strings.Replace(pod, "image: x", `image: "a\e[2Jb"`, 1), err: "\"a\ufffd[2Jb\" is no name"},
		{name: "a very long name", file: "a.yaml", text: strings.Replace(pod, "image: x", "image: "+strings.Repeat("x", maxReference+1), 1), err: "the most is 4096"},
	})
}

func TestManifests(t *testing.T) {
	head := "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
	runFindings(t, []finding{
		{name: "quotes and comments", file: "a.yaml", text: head + "  - image: 'a:1' # one\n  - image: \"b:1\"\n  - image: c:1 # c\n",
			want: "6+ a:1 (Pod p, container 0)\n7+ b:1 (Pod p, container 1)\n8+ c:1 (Pod p, container 2)"},
		{name: "CRLF", file: "a.yaml", text: strings.ReplaceAll(head+"  - image: a:1\n  - image: b:1\n", "\n", "\r\n"),
			want: "6+ a:1 (Pod p, container 0)\n7+ b:1 (Pod p, container 1)"},
		{name: "BOM", file: "a.yaml", text: "\ufeffapiVersion: v1\nkind: Pod\nspec: {containers: [{image: a:1}]}\n", want: "3+ a:1 (Pod, container 0)"},
		{name: "BOM in the first line", file: "a.yaml", text: "\ufeff{apiVersion: v1, kind: Pod, spec: {containers: [{image: a:1}]}}\n", want: "1+ a:1 (Pod, container 0)"},
		{name: "line ends of Unicode", file: "a.yaml", text: head + "  - name: \"x\u2028y\"\n    image: a:1\n", want: "8+ a:1 (Pod p, container x\ufffdy)"},
		{name: "wide characters before", file: "a.yaml", text: head + "  - {name: \"häßlich🎉\", image: a:1}\n", want: "6+ a:1 (Pod p, container häßlich🎉)"},
		{name: "literal block", file: "a.yaml", text: head + "  - image: |-\n      a:1\n", want: "6- a:1 (Pod p, container 0)"},
		{name: "folded block", file: "a.yaml", text: head + "  - image: >-\n      a:1\n", want: "6- a:1 (Pod p, container 0)"},
		{name: "block with its line end", file: "a.yaml", text: head + "  - image: |\n      a:1\n", err: "no name of an image"},
		{name: "escapes", file: "a.yaml", text: head + "  - image: \"a\\x3a1\"\n", want: "6- a:1 (Pod p, container 0)"},
		{name: "next line", file: "a.yaml", text: head + "  - image:\n      a:1\n", want: "7+ a:1 (Pod p, container 0)"},
		{name: "tag and anchor", file: "a.yaml", text: head + "  - image: !!str &x a:1\n  - image: *x\n", want: "6+ a:1 (Pod p, container 0)"},
		{name: "aliased container", file: "a.yaml", text: head + "  - &c {name: c, image: a:1}\n  - *c\n", want: "6+ a:1 (Pod p, container c)"},
		{name: "merged container", file: "a.yaml", text: head + "  - &c {name: c, image: a:1}\n  - {<<: *c, name: d}\n  - {<<: [*c], name: e, image: b:1}\n",
			want: "6+ a:1 (Pod p, container c)\n8+ b:1 (Pod p, container e)"},
		{name: "merged behind what it has itself", file: "a.yaml", text: "apiVersion: v1\nkind: Pod\nx: &e {image: evil}\nspec:\n  containers:\n  - {image: a:1, <<: *e}\n",
			want: "3+ evil (Pod, container 0)\n6+ a:1 (Pod, container 0)"},
		{name: "pod out of an anchor elsewhere", file: "a.yaml",
			text: "apiVersion: v1\nkind: Pod\nx: &s\n  image: a:1\nspec:\n  containers: [*s]\n", want: "4+ a:1 (Pod, container 0)"},
		{name: "no image", file: "a.yaml", text: head + "  - name: a\n  - image:\n  - image: ''\n", want: ""},
		{name: "CronJob", file: "a.yaml", text: "apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {initContainers: [{name: i, image: a}], containers: [{name: c, image: b}]}}}}}\n",
			want: "3+ a (CronJob, init container i)\n3+ b (CronJob, container c)"},
		{name: "nested lists", file: "a.yaml", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: PodList\n  items:\n  - {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{image: a}]}}\n",
			want: "7+ a (Pod p, container 0)"},
		{name: "ReplicationController and ReplicaSet", file: "a.yaml",
			text: "apiVersion: v1\nkind: ReplicationController\nspec: {template: {spec: {containers: [{image: a}]}}}\n---\napiVersion: apps/v1\nkind: ReplicaSet\nspec: {template: {spec: {containers: [{image: b}]}}}\n",
			want: "3+ a (ReplicationController, container 0)\n7+ b (ReplicaSet, container 0)"},
		{name: "Knative", file: "a.yaml", text: "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: s}\nspec:\n  template:\n    spec:\n      containers:\n      - image: a\n",
			want: "8+ a (Service s, container 0)"},
		{name: "image volume", file: "a.yaml", text: head + "  - image: a\n  volumes:\n  - {name: m, image: {reference: b}}\n  - {name: e, emptyDir: {}}\n",
			want: "6+ a (Pod p, container 0)\n8+ b (Pod p, volume m)"},
		{name: "a schema with such fields", file: "a.yaml", text: "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {properties: {containers: {items: {image: {type: string}}}}}\n", want: ""},
		{name: "image that is no text", file: "a.yaml", text: head + "  - image: 1.5\n", err: "a.yaml:6: Pod p, container 0: want the image's name as a text"},
		{name: "image that is a mapping", file: "a.yaml", text: head + "  - image: {name: x}\n", err: "want the image's name as a text"},
		{name: "image in binary", file: "a.yaml", text: head + "  - image: !!binary YTox\n", err: "want the image's name as a text"},
		{name: "key in binary", file: "a.yaml", text: head + "  - !!binary aW1hZ2U=: evil\n", err: "a.yaml:6: a key has to be a plain text"},
		{name: "key that is an alias", file: "a.yaml", text: "x: &k image\n" + head + "  - *k : evil\n", err: "a key has to be a plain text"},
		{name: "key twice", file: "a.yaml", text: head + "  - image: a\n    \"image\": evil\n", err: `a.yaml:7: the key "image" stands here twice, first on line 6`},
		{name: "key twice, far from pods", file: "a.yaml", text: "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: 1\n  a: 2\n", err: `a.yaml:5: the key "a" stands here twice`},
		{name: "broken", file: "a.yaml", text: "apiVersion: v1\nkind: [\n", err: "a.yaml:"},
		{name: "broken second document", file: "a.yaml", text: head + "  - image: a\n---\na: b: c\n", err: "a.yaml:8:"},
		{name: "unknown alias", file: "a.yaml", text: "a: *b\n", err: "unknown anchor"},
		{name: "cycle", file: "a.yaml", text: "apiVersion: v1\nkind: Pod\nspec: &s\n  containers: [*s]\n", err: "contains itself"},
	})
}

// bomb is YAML that is small, and huge with its aliases written out.
func bomb() string {
	text := "apiVersion: v1\nkind: Pod\na0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
	for i := 1; i < 30; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return text + "spec: {containers: *a29}\n"
}

// TestHostileSize: large, deep and exponential files are refused, and soon.
func TestHostileSize(t *testing.T) {
	many := strings.Repeat("  - image: a\n", maxImages+1)
	runFindings(t, []finding{
		{name: "bomb", file: "a.yaml", text: bomb(), err: "aliases make the file larger"},
		{name: "bomb of merges", file: "a.yaml", text: strings.NewReplacer("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "{x: y}", "[*", "{<<: [*", "]\n", "]}\n").Replace(bomb()), err: "aliases make the file larger"},
		{name: "many small bombs", file: "a.yaml", text: strings.Repeat("apiVersion: v1\nkind: X\na: &a ["+strings.Repeat("x,", 200)+"]\nb: ["+strings.Repeat("*a,", 200)+"]\n---\n", 10), err: "aliases make the file larger"},
		{name: "deep", file: "a.yaml", text: "a: " + strings.Repeat("[", 300) + strings.Repeat("]", 300), err: "nested more than"},
		{name: "very deep", file: "a.yaml", text: strings.Repeat("[", 1<<20), err: "a.yaml:1:"},
		{name: "very deep in a block", file: "a.yaml", text: strings.Repeat("- ", 1<<20), err: "a.yaml:1:"},
		{name: "many values", file: "a.yaml", text: "a: [" + strings.Repeat("a,", maxParts) + "]", err: "more than 500000 lines and values"},
		{name: "many lines", file: "a.yaml", text: "a:\n" + strings.Repeat("-\n", maxParts), err: "more than 500000 lines and values"},
		{name: "many images", file: "a.yaml", text: "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n" + many, err: "more than 10000 images"},
		{name: "many stages", file: "Dockerfile", text: strings.Repeat("FROM a\n", maxImages+2), err: "more than 10000 images"},
		{name: "many documents", file: "a.yaml", text: strings.Repeat("---\n", maxDocuments+2), err: "more than 10000 documents"},
		{name: "a long instruction", file: "Dockerfile", text: "FROM a\n" + strings.Repeat("RUN a \\\n", 1_000_000), err: "Dockerfile:2: the instruction is longer than"},
		{name: "a value that doubles", file: "Dockerfile", text: doubling(40) + "FROM $A40\n", err: "longer than 4096"},
	})
}

// doubling declares ARGs each of which is the one before, twice.
func doubling(n int) string {
	text := "ARG A0=xxxx\n"
	for i := 1; i <= n; i++ {
		text += fmt.Sprintf("ARG A%d=$A%d$A%d\n", i, i-1, i-1)
	}
	return text
}

// TestLargeFiles: what is as large as is allowed takes seconds, not minutes.
func TestLargeFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	object := "apiVersion: v1\nkind: ConfigMap\ndata: {text: " + strings.Repeat("x", 4000) + "}\n---\n"
	for name, text := range map[string]string{
		"a.yaml":       strings.Repeat(object, 2000),
		"b.yaml":       "apiVersion: v1\nkind: ConfigMap\ndata:\n" + strings.Repeat("# a comment\n", 450_000),
		"c.yaml":       "apiVersion: v1\nkind: ConfigMap\ndata: \"" + strings.Repeat("x\\n", 2_600_000) + "\"\n",
		"Dockerfile":   "FROM a\nRUN a \\\n" + strings.Repeat("# b \\\n", 1_000_000),
		"b.Dockerfile": "ARG X=" + strings.Repeat("x", 4000) + "\n" + strings.Repeat("FROM ${X:-y}\n", 9_000),
	} {
		start := time.Now()
		_, err := Find(name, []byte(text), nil)
		if took := time.Since(start); took > 20*time.Second || err != nil {
			t.Errorf("%s: %d bytes took %v: %v", name, len(text), took, err)
		} else {
			t.Logf("%s: %d bytes in %v", name, len(text), took)
		}
	}
}
