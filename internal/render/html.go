package render

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"html/template"
	"io"
	"sync"
)

var (
	//go:embed assets/style.css
	style string
	//go:embed assets/script.js
	script string
	//go:embed assets/page.html
	pageSource string

	// page is parsed when a page is first wanted.
	page = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("page").Funcs(template.FuncMap{
			"visible": visible, "title": title, "meaning": meaning, "tone": verdictOf, "short": shorten, "when": when, "typeName": typeName, "materials": shownMaterials,
		}).Parse(pageSource))
	})
)

// fullSubjects is how many subjects of one page get everything that there is to show.
// With more, the ones after these get their answers only.
const fullSubjects = 50

// HTML writes one page that needs nothing but itself: it loads nothing, its content
// security policy forbids to load anything, and its script, known by its digest, only
// searches and sorts tables.
func HTML(w io.Writer, r *Result) error {
	return buffered(w, func(b *bufio.Writer) error {
		subjects := byConcern(r)
		if err := page().ExecuteTemplate(b, "head", headView(r, subjects)); err != nil {
			return err
		}
		for i, s := range subjects {
			if err := page().ExecuteTemplate(b, "subject", viewOf(s, i, len(subjects))); err != nil {
				return err
			}
		}
		return page().ExecuteTemplate(b, "foot", footView{Tool: r.Tool, Script: inline("script", script)})
	})
}

// inline is one of the page's own parts as an element; nothing of a result is in it.
func inline(element, text string) template.HTML {
	return template.HTML("<" + element + ">" + text + "</" + element + ">") //nolint:gosec // a constant of this program
}

// contentPolicy allows the page's own style and script, by digest, and nothing else.
func contentPolicy() template.HTML {
	return template.HTML(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '` + sourceHash(style) + //nolint:gosec // as above
		`'; script-src '` + sourceHash(script) + `'; base-uri 'none'; form-action 'none'">`)
}

func sourceHash(text string) string {
	digest := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(digest[:])
}
