package interop

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// htmlReport is a report on an image that hallmark released, opened from a file. The
// folder artifacts is where pictures of it go.
func htmlReport(t *testing.T) (address, artifacts string) {
	t.Helper()
	if _, err := hallmarkProgram(); err != nil {
		skip(t, err)
	}
	images, err := imagesFolder()
	if err != nil {
		skip(t, err)
	}
	d := &desk{t: t, dir: t.TempDir(), home: t.TempDir()}
	if err := os.CopyFS(d.path("layout"), os.DirFS(filepath.Join(images, "layout"))); err != nil {
		t.Fatal(err)
	}
	d.hallmark(0, "keys", "generate", "--output-key-prefix", "k")
	d.hallmark(0, "release", "--key", "k.key", "oci:layout:app")
	d.hallmark(0, "verify", "--key", "k.pub", "--require", "signature,spdx,cyclonedx", "-o", "html=report.html", "oci:layout:app")
	if t.Failed() {
		t.FailNow()
	}
	return (&url.URL{Scheme: "file", Path: d.path("report.html")}).String(), artifactsFolder(t)
}

func artifactsFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HALLMARK_ARTIFACTS")
	if dir == "" {
		dir = repository + "/build/artifacts"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHTMLReport opens a report in a real browser, from a file: it loads nothing but
// itself, nothing is wrong to the browser, and tables can be searched and sorted.
func TestHTMLReport(t *testing.T) {
	t.Parallel()
	address, artifacts := htmlReport(t)
	b := startBrowser(t)
	b.open(address)

	if got := b.text(`document.querySelector("h1").textContent`); got != "Verified" {
		t.Errorf("the heading is %q", got)
	}
	t.Run("search", func(t *testing.T) { searchNarrows(t, b) })
	t.Run("sort", func(t *testing.T) { sortSorts(t, b) })
	for _, scheme := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
		picture(t, b, filepath.Join(artifacts, "report-"+scheme+".png"))
	}
	b.nothingBut(address)
}

const packagesTable = `document.querySelector("table.packages")`

func searchNarrows(t *testing.T, b *browser) {
	const shown = `String([...` + packagesTable + `.tBodies[0].rows].filter((r) => r.offsetParent !== null).length)`
	all := b.text(shown)
	b.text(`(() => { const box = ` + packagesTable + `.closest("div").previousElementSibling.querySelector("input");
		box.value = ` + packagesTable + `.tBodies[0].rows[0].cells[0].textContent; box.dispatchEvent(new Event("input")); return "" })()`)
	some := b.text(shown)
	b.text(`(() => { const box = ` + packagesTable + `.closest("div").previousElementSibling.querySelector("input");
		box.value = "no package has such a name"; box.dispatchEvent(new Event("input")); return "" })()`)
	none := b.text(shown)
	b.text(`(() => { const box = ` + packagesTable + `.closest("div").previousElementSibling.querySelector("input");
		box.value = ""; box.dispatchEvent(new Event("input")); return "" })()`)
	if again := b.text(shown); all == "0" || some == "0" || some == all || none != "0" || again != all {
		t.Errorf("rows shown: %s of all, %s of the first name, %s of none, %s after that", all, some, none, again)
	}
}

func sortSorts(t *testing.T, b *browser) {
	const names = `JSON.stringify([...` + packagesTable + `.tBodies[0].rows].map((r) => r.cells[0].textContent))`
	const click = packagesTable + `.tHead.rows[0].cells[0].querySelector("button").click()`
	read := func(script string) []string { return decode[[]string](t, []byte(b.text(script))) }
	up := read(`(` + click + `, ` + names + `)`)
	down := read(`(` + click + `, ` + names + `)`)
	if len(up) < 2 || up[0] == up[len(up)-1] || up[0] != down[len(down)-1] || up[len(up)-1] != down[0] {
		t.Errorf("sorted up and down: %d and %d rows, %.3q and %.3q", len(up), len(down), up, down)
	}
	if got := b.text(packagesTable + `.tHead.rows[0].cells[0].getAttribute("aria-sort")`); got != "descending" {
		t.Errorf("the heading says %q of how it is sorted", got)
	}
}

// TestHTMLReportWithoutScript: with JavaScript disabled everything can be read, and no
// search box is there that would do nothing.
func TestHTMLReportWithoutScript(t *testing.T) {
	t.Parallel()
	address, _ := htmlReport(t)
	b := startBrowser(t)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	b.open(address)
	read := b.visibleText()
	for _, want := range []string{"Verified", "linux/amd64", "linux/arm64", "Signers", "Packages", "pkg:deb/debian/", "Evidence"} {
		if !strings.Contains(read, want) {
			t.Errorf("without JavaScript the page does not show %q", want)
		}
	}
	if b.boxes("input") != 0 {
		t.Error("there is a search box without the script that makes it work")
	}
	b.nothingBut(address)
}

// picture writes what the whole page looks like.
func picture(t *testing.T, b *browser, path string) {
	t.Helper()
	var shot struct {
		Data string `json:"data"`
	}
	b.into(&shot, b.call("Page.captureScreenshot", map[string]any{"format": "png",
		"clip": map[string]any{"x": 0, "y": 0, "width": 1280, "height": 3200, "scale": 1}, "captureBeyondViewport": true}))
	raw, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil || len(raw) < 10_000 {
		t.Fatalf("a picture of %d bytes: %v", len(raw), err)
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("written: %s", path)
}

// text is what an expression gives as a string, evaluated in the page.
func (b *browser) text(expression string) string {
	b.t.Helper()
	var got struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	b.into(&got, b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}))
	if got.Exception != nil {
		b.t.Fatalf("%s: %s", expression, got.Exception)
	}
	s, _ := got.Result.Value.(string)
	return s
}

// visibleText is what the page shows, by the tree that a screen reader is given: it
// needs no script.
func (b *browser) visibleText() string {
	b.t.Helper()
	var tree struct {
		Nodes []struct {
			Ignored bool `json:"ignored"`
			Name    struct {
				Value string `json:"value"`
			} `json:"name"`
		} `json:"nodes"`
	}
	b.into(&tree, b.call("Accessibility.getFullAXTree", nil))
	var all strings.Builder
	for _, n := range tree.Nodes {
		if !n.Ignored {
			all.WriteString(n.Name.Value + "\n")
		}
	}
	return all.String()
}

// boxes counts the elements that a selector finds, without a script.
func (b *browser) boxes(selector string) int {
	b.t.Helper()
	var root struct {
		Root struct {
			ID int `json:"nodeId"`
		} `json:"root"`
	}
	b.into(&root, b.call("DOM.getDocument", map[string]any{"depth": 0}))
	var found struct {
		IDs []int `json:"nodeIds"`
	}
	b.into(&found, b.call("DOM.querySelectorAll", map[string]any{"nodeId": root.Root.ID, "selector": selector}))
	return len(found.IDs)
}
