package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// vexType is the type of OpenVEX statements.
var vexType = policy.TypeOf("https://openvex.dev/ns")

// exemption is what an OpenVEX document says of one vulnerability in this subject
// (https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md).
type exemption struct {
	names    []string
	excuses  bool // not_affected or fixed
	at       time.Time
	packages []string // purls of the parts that it is about; empty: all of it
}

type exemptions []exemption

// vexDocument has the members of a document that say what does not affect what.
type vexDocument struct {
	Timestamp   time.Time `json:"timestamp"`
	LastUpdated time.Time `json:"last_updated"`
	Statements  []struct {
		Vulnerability vexVulnerability `json:"vulnerability"`
		Timestamp     time.Time        `json:"timestamp"`
		LastUpdated   time.Time        `json:"last_updated"`
		Status        string           `json:"status"`
		Products      []vexProduct     `json:"products"`
	} `json:"statements"`
}

// vexVulnerability is an object, or in the first version of the format a text.
type vexVulnerability struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

func (v *vexVulnerability) UnmarshalJSON(raw []byte) error {
	type object vexVulnerability
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &v.Name)
	}
	return json.Unmarshal(raw, (*object)(v))
}

type vexProduct struct {
	ID            string            `json:"@id"`
	Hashes        map[string]string `json:"hashes"`
	Identifiers   map[string]string `json:"identifiers"`
	Subcomponents []vexProduct      `json:"subcomponents"`
}

func (p *vexProduct) UnmarshalJSON(raw []byte) error {
	type object vexProduct
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &p.ID)
	}
	return json.Unmarshal(raw, (*object)(p))
}

// about reports whether the product may be the subject: one that names another digest is
// another image.
func (p vexProduct) about(digest string) bool {
	if sum := p.Hashes["sha-256"]; sum != "" && "sha256:"+strings.ToLower(sum) != digest {
		return false
	}
	id := strings.ReplaceAll(strings.ToLower(p.ID), "%3a", ":")
	_, rest, named := strings.Cut(id, "sha256:")
	return !named || strings.HasPrefix("sha256:"+rest, digest)
}

// readExemptions keeps what OpenVEX says, by somebody whose word counts here.
func (s *assessor) readExemptions(a *assessment, requirement int, r *policy.Requirement, payload []byte) {
	if !slices.ContainsFunc(a.names, func(name string) bool { return slices.Contains(r.Vulnerabilities.VEX, name) }) {
		return
	}
	var doc vexDocument
	statement, err := bundle.ParseStatement(payload)
	if err == nil {
		err = bundle.Decode(statement.Predicate, &doc)
	}
	if err == nil && len(doc.Statements) > maxExemptions {
		err = fmt.Errorf("more than %d statements", maxExemptions)
	}
	if err != nil {
		a.check(CheckFormat, "OpenVEX", fmt.Errorf("it excuses nothing: %w", err))
		return
	}
	list := exemptions{}
	for _, one := range doc.Statements {
		e := exemption{names: append([]string{one.Vulnerability.Name, one.Vulnerability.ID}, one.Vulnerability.Aliases...),
			excuses: one.Status == "not_affected" || one.Status == "fixed", at: latest(one.LastUpdated, one.Timestamp, doc.LastUpdated, doc.Timestamp)}
		about := len(one.Products) == 0
		for _, product := range one.Products {
			if !product.about(a.report.On.String()) {
				continue
			}
			about = true
			for _, part := range product.Subcomponents {
				e.packages = append(e.packages, part.purl())
			}
			if id := product.purl(); len(product.Subcomponents) == 0 && strings.HasPrefix(id, "pkg:") && !strings.HasPrefix(id, "pkg:oci/") && !strings.HasPrefix(id, "pkg:docker/") {
				e.packages = append(e.packages, id) // it is about a package, not about the image
			}
		}
		if about {
			list = append(list, e)
		}
	}
	if a.exempts == nil {
		a.exempts = map[int]exemptions{}
	}
	a.exempts[requirement] = list
}

func (p vexProduct) purl() string {
	if purl := p.Identifiers["purl"]; purl != "" {
		return purl
	}
	return p.ID
}

// latest is the first time of a list that is set: the most specific one.
func latest(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// exempting are the pieces that excuse findings for a requirement.
func (d *dossier) exempting(requirement int) (out []*assessment) {
	for i := range d.assessed {
		if len(d.assessed[i].exempts[requirement]) > 0 {
			out = append(out, &d.assessed[i])
		}
	}
	return out
}

func (d *dossier) exemptions(requirement int) (out exemptions) {
	for i := range d.assessed {
		out = append(out, d.assessed[i].exempts[requirement]...)
	}
	return out
}

// excuse reports whether the newest word on a finding is that it does no harm.
func (list exemptions) excuse(f finding) bool {
	for _, name := range append([]string{f.id}, f.aliases...) {
		if known, excused := list.word(name, f.purl); known && !excused {
			return false
		}
	}
	return f.under(func(name string) bool {
		_, excused := list.word(name, f.purl)
		return excused
	})
}

// word is the newest word on a vulnerability in a package. Of two of the same time, the
// one that excuses nothing counts.
func (list exemptions) word(name, purl string) (known, excused bool) {
	var at time.Time
	for _, e := range list {
		if !slices.ContainsFunc(e.names, func(one string) bool { return one != "" && strings.EqualFold(one, name) }) || !e.covers(purl) {
			continue
		}
		switch {
		case !known || e.at.After(at):
			known, excused, at = true, e.excuses, e.at
		case e.at.Equal(at):
			excused = excused && e.excuses
		}
	}
	return known, excused
}

// covers compares packages, without what stands behind ? and #.
func (e exemption) covers(purl string) bool {
	if len(e.packages) == 0 {
		return true
	}
	return slices.ContainsFunc(e.packages, func(p string) bool {
		p, have := barePURL(p), barePURL(purl)
		return p != "" && (p == have || !strings.Contains(p[strings.LastIndex(p, "/")+1:], "@") && strings.HasPrefix(have, p+"@"))
	})
}

func barePURL(purl string) string {
	if i := strings.IndexAny(purl, "?#"); i >= 0 {
		purl = purl[:i]
	}
	return purl
}
