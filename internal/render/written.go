package render

import "io"

// Written is what a command attached to a subject, or found there.
type Written struct {
	Subject  string
	Digest   string
	Evidence []WrittenRow
	// Closing is what there is to say in the end, empty for nothing.
	Closing string
}

// WrittenRow is one piece of evidence.
type WrittenRow struct {
	On            string `json:"on"`
	Platform      string `json:"platform,omitempty"`
	Type          string `json:"type"`
	PredicateType string `json:"predicateType"`
	Evidence      string `json:"evidence,omitempty"` // digest of the manifest
	Status        string `json:"status"`
}

// WrittenMarkdown writes a table that fits GITHUB_STEP_SUMMARY.
func WrittenMarkdown(w io.Writer, r *Written) error {
	var m markdown
	m.line("# Evidence of %s\n", code(r.Subject))
	m.line("- Digest: %s\n", code(r.Digest))
	m.line("| on | type | evidence | |\n|---|---|---|---|")
	for i, row := range r.Evidence {
		if m.Len() > mostMarkdown {
			m.line("\n*%s left out of this table.*", count(len(r.Evidence)-i, "row", "rows"))
			break
		}
		on := row.Platform
		if on == "" {
			on = shorten(row.On, 24)
		}
		m.line("| %s | %s | %s | %s |", code(on), code(row.Type), code(row.Evidence), row.Status)
	}
	if r.Closing != "" {
		m.line("\n%s", r.Closing)
	}
	_, err := w.Write(m.Bytes())
	return err
}
