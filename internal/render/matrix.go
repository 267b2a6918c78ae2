package render

// matrix is what became of a subject as a table: digests by requirements.
type matrix struct {
	Columns []column
	Rows    []row
}

type column struct{ Name, Asked string }

type row struct {
	Platform string // empty: the subject itself
	Digest   string
	Cells    []cell
}

// cell is empty where the requirement was not asked of the digest.
type cell struct {
	Verdict string
	Cause   string
	Signer  string
}

// matrixOf arranges answers, rows and columns in the order in which they come.
func matrixOf(all []answer) matrix {
	var m matrix
	columns, rows := map[string]int{}, map[string]int{}
	for _, a := range all {
		if _, have := columns[a.Requirement]; !have {
			columns[a.Requirement] = len(m.Columns)
			m.Columns = append(m.Columns, column{a.Requirement, a.Asked})
		}
		if _, have := rows[a.Digest]; !have {
			rows[a.Digest] = len(m.Rows)
			m.Rows = append(m.Rows, row{Platform: a.Platform, Digest: a.Digest})
		}
	}
	for i := range m.Rows {
		m.Rows[i].Cells = make([]cell, len(m.Columns))
	}
	for _, a := range all {
		c := &m.Rows[rows[a.Digest]].Cells[columns[a.Requirement]]
		if c.Verdict == "" || c.Verdict == Verified { // of two answers, the worse
			c.Verdict, c.Cause = a.Verdict, a.Cause
			if a.Signer != nil {
				c.Signer = a.Signer.Name()
			}
		}
	}
	return m
}
