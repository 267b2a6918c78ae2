package render

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-project/hallmark/verify"
)

// pageHead is what the top of the page shows.
type pageHead struct {
	Style, Policy template.HTML
	*Result
	Title    string
	Verdict  string
	AsOf     string
	Sum      string
	Only     *Subject      // the page's one subject
	Overview []overviewRow // more than one subject
	Many     bool          // too many to show everything of all
	Full     int
}

type overviewRow struct {
	*Subject
	Anchor string
	Rank   int
}

type footView struct {
	Tool   string
	Script template.HTML
}

func headView(r *Result, subjects []*Subject) pageHead {
	h := pageHead{Style: inline("style", style), Policy: contentPolicy(), Result: r, Verdict: verdictOf(r.Verdict),
		AsOf: judgedAsOf(r), Sum: sentence(len(subjects), sum(subjects)), Many: len(subjects) > fullSubjects, Full: fullSubjects}
	h.Title = title(r.Verdict) + ": " + count(len(subjects), "subject", "subjects")
	if len(subjects) == 1 {
		h.Only = subjects[0]
		h.Title = title(r.Verdict) + ": " + visible(subjects[0].Subject)
		return h
	}
	for i, s := range subjects {
		h.Overview = append(h.Overview, overviewRow{s, anchor(i), slices.Index(order, verdictOf(s.Verdict))})
	}
	return h
}

func anchor(i int) string { return "subject-" + strconv.Itoa(i+1) }

// subjectView is what a section shows. Each list is bounded.
type subjectView struct {
	*Subject
	Anchor     string
	Alone      bool // the page's only subject
	Full       bool
	Matrix     matrix
	Failing    []answer
	MoreFails  int
	Signers    []signerView
	Evidence   []verify.EvidenceReport
	Counting   int
	MoreEvid   int
	Checks     []requirementChecks
	Packages   []packageRow
	Total      int
	MorePkgs   int
	Licences   []licenceCount
	MoreLic    int
	Provenance []Provenance
	MoreProv   int
	Graph      *graph
}

// Bounds of a section.
const (
	mostFailing    = 500
	mostEvidence   = 500
	mostPackages   = 20_000
	mostLicences   = 40
	mostProvenance = 50
	mostMaterials  = 50

	mostListedSigners = 100
)

func viewOf(s *Subject, i, of int) subjectView {
	all := answers(s)
	v := subjectView{Subject: s, Anchor: anchor(i), Alone: of == 1, Full: i < fullSubjects, Matrix: matrixOf(all)}
	for _, a := range all {
		if fails(a.Verdict) {
			v.Failing = append(v.Failing, a)
		}
	}
	v.Failing, v.MoreFails = capped(v.Failing, mostFailing)
	if !v.Full {
		return v
	}
	v.Signers = signerViews(s)
	v.Packages, v.Licences = packageRows(s.Packages)
	v.Total = len(v.Packages)
	v.Packages, v.MorePkgs = capped(v.Packages, mostPackages)
	v.Licences, v.MoreLic = capped(v.Licences, mostLicences)
	v.Provenance, v.MoreProv = capped(s.Provenance, mostProvenance)
	if s.Report != nil {
		for _, e := range s.Report.Evidence {
			if e.Counts {
				v.Counting++
			}
		}
		v.Evidence, v.MoreEvid = capped(s.Report.Evidence, mostEvidence)
		v.Checks = checksOf(s.Report)
		v.Graph = graphOf(s)
	}
	return v
}

// shownMaterials are the materials of a build that the page lists.
func shownMaterials(p Provenance) []Material {
	shown, _ := capped(p.Materials, mostMaterials)
	return shown
}

func capped[T any](all []T, most int) ([]T, int) {
	if len(all) <= most {
		return all, 0
	}
	return all[:most], len(all) - most
}

// requirementChecks are what a requirement checked on a digest.
type requirementChecks struct {
	Name, Asked, Platform string
	Checks                []verify.PieceCheck
}

func checksOf(r *verify.Report) []requirementChecks {
	var all []requirementChecks
	for _, q := range r.Requirements {
		for _, on := range q.On {
			if checks, _ := capped(on.Checks, mostEvidence); len(checks) > 0 && len(all) < mostFailing {
				all = append(all, requirementChecks{q.Name, q.Asked, on.Platform, checks})
			}
		}
	}
	return all
}

// signerView is who signed, once, with what.
type signerView struct {
	verify.Signer
	Signed string // requirements
	Time   string
}

// signerViews are the signers of what was verified, each once. Where the subject is not
// verified, they are those of the evidence that counts.
func signerViews(s *Subject) []signerView {
	var all []signerView
	if len(s.Verified) > 0 || s.Report == nil {
		for _, v := range s.Verified {
			all = addSigner(all, v.Signer, v.Requirement)
		}
		return all
	}
	for _, e := range s.Report.Evidence {
		if e.Counts && e.Signer != nil {
			all = addSigner(all, *e.Signer, typeName(e))
		}
	}
	return all
}

// addSigner adds a signer, or to one that is there what else was signed.
func addSigner(all []signerView, s verify.Signer, signed string) []signerView {
	signed = visible(signed)
	i := slices.IndexFunc(all, func(v signerView) bool { return sameSigner(v.Signer, s) })
	switch {
	case i < 0 && len(all) < mostListedSigners:
		v := signerView{Signer: s, Signed: signed}
		if t := s.When(); !t.IsZero() {
			v.Time = when(t)
		}
		return append(all, v)
	case i >= 0 && !slices.Contains(strings.Split(all[i].Signed, ", "), signed) && len(all[i].Signed) < mostText:
		all[i].Signed += ", " + signed
	}
	return all
}

// packageRow is a package once, with the platforms that have it.
type packageRow struct {
	Name, Version, PURL, Licences, Platforms string
}

type licenceCount struct {
	Name string
	N    int
}

const noLicence = "not stated"

// packageRows joins what platforms have in common, sorted by name, and counts licences.
// Package URLs that differ in qualifiers only, such as the architecture, are of one
// package, and are shown without them.
func packageRows(all []Package) ([]packageRow, []licenceCount) {
	var rows []packageRow
	at := make(map[[4]string]int, len(all))
	for _, p := range all {
		licences, base := strings.Join(p.Licences, ", "), unqualified(p.PURL)
		key := [4]string{p.Name, p.Version, base, licences}
		i, have := at[key]
		if !have {
			at[key] = len(rows)
			rows = append(rows, packageRow{p.Name, p.Version, p.PURL, licences, p.Platform})
			continue
		}
		if rows[i].PURL != p.PURL {
			rows[i].PURL = base
		}
		if p.Platform != "" && !slices.Contains(strings.Split(rows[i].Platforms, ", "), p.Platform) {
			rows[i].Platforms += ", " + p.Platform
		}
	}
	slices.SortStableFunc(rows, func(a, b packageRow) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.PURL, b.PURL))
	})
	return rows, countLicences(all)
}

func unqualified(purl string) string {
	base, _, _ := strings.Cut(purl, "?")
	return base
}

// countLicences counts packages, each once however many platforms have it, by licence.
func countLicences(all []Package) []licenceCount {
	counts, seen := map[string]int{}, map[[4]string]bool{}
	for _, p := range all {
		for _, licence := range orNone(p.Licences) {
			if key := [4]string{p.Name, p.Version, unqualified(p.PURL), licence}; !seen[key] {
				seen[key] = true
				counts[licence]++
			}
		}
	}
	var sorted []licenceCount
	for name, n := range counts {
		sorted = append(sorted, licenceCount{name, n})
	}
	slices.SortFunc(sorted, func(a, b licenceCount) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return sorted
}

func orNone(licences []string) []string {
	if len(licences) == 0 {
		return []string{noLicence}
	}
	return licences
}
