package cli

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

// attestedSBOM is an SBOM out of evidence, kept for comparing and for reports.
type attestedSBOM struct {
	on       digest.Digest
	platform string
	evidence digest.Digest
	doc      *inventory.Document
}

// inspect keeps what documents show of the evidence's content: the packages and the
// provenance. Nil where nothing of it is wanted.
func (v *judgement) inspect(b *bench) func(verify.Verified, string, []byte) {
	rederive := v.plan.Rederive != nil || b.o.rederive
	if !b.full && !rederive {
		return nil
	}
	v.packed, v.documents = map[digest.Digest][]byte{}, map[digest.Digest]verify.Document{}
	return func(e verify.Verified, predicateType string, predicate []byte) {
		switch policy.TypeOf(predicateType).String() {
		case "spdx", "cyclonedx", "syft":
			if b.keep && e.Document != nil {
				v.documents[e.Evidence] = *e.Document // a blob, which the pack reads again
			} else if b.keep {
				v.packed[e.Evidence] = bytes.Clone(predicate)
			}
			if doc, err := inventory.Parse(predicate); err == nil {
				v.sboms = append(v.sboms, attestedSBOM{e.On, e.Platform, e.Evidence, doc})
			}
		case "slsaprovenance":
			if build, err := verify.ParseBuild(predicateType, predicate); err == nil {
				v.Provenance = append(v.Provenance, provenanceRow(e, build))
			}
		}
	}
}

func provenanceRow(e verify.Verified, b *verify.Build) render.Provenance {
	p := render.Provenance{Platform: e.Platform, On: e.On.String(), Evidence: e.Evidence.String(), Builder: b.Builder, BuildType: b.BuildType,
		Source: b.Source, Ref: b.Ref, Commit: b.Commit, Invocation: b.Invocation}
	if !b.Started.IsZero() {
		p.Started = &b.Started
	}
	if !b.Finished.IsZero() {
		p.Finished = &b.Finished
	}
	for _, m := range b.Materials {
		text := ""
		for algorithm, value := range m.Digest {
			if one := algorithm + ":" + value; text == "" || one < text {
				text = one
			}
		}
		p.Materials = append(p.Materials, render.Material{URI: m.URI, Digest: text})
	}
	return p
}

// keepCounted drops what came from evidence that does not count, and fills the table of
// packages: of each digest, from the one SBOM that names the most.
func (v *judgement) keepCounted() {
	counts := map[string]bool{}
	if v.Report != nil {
		for _, e := range v.Report.Evidence {
			if e.Counts {
				counts[e.Digest.String()] = true
			}
		}
	}
	// What was read at once came in any order.
	slices.SortFunc(v.Provenance, func(a, b render.Provenance) int {
		return cmp.Or(cmp.Compare(a.On, b.On), cmp.Compare(a.Evidence, b.Evidence))
	})
	slices.SortFunc(v.sboms, func(a, b attestedSBOM) int {
		return cmp.Or(cmp.Compare(a.on, b.on), cmp.Compare(a.evidence, b.evidence))
	})
	var kept []render.Provenance
	for _, p := range v.Provenance {
		if counts[p.Evidence] {
			kept = append(kept, p)
		}
	}
	v.Provenance = kept
	best := map[digest.Digest]attestedSBOM{}
	var order []digest.Digest
	for _, s := range v.sboms {
		have, there := best[s.on]
		if !counts[s.evidence.String()] || there && len(have.doc.Components) >= len(s.doc.Components) {
			continue
		}
		if best[s.on] = s; !there {
			order = append(order, s.on)
		}
	}
	for _, on := range order {
		s := best[on]
		for _, c := range s.doc.Components {
			v.Packages = append(v.Packages, render.Package{Platform: v.platformOf(on), On: on.String(), Evidence: s.evidence.String(),
				Name: c.Name, Version: c.Version, PURL: c.PURL, Licences: c.Licences})
		}
	}
}

func (v *judgement) platformOf(on digest.Digest) string {
	for _, e := range v.Report.Evidence {
		if e.On == on && e.Platform != "" {
			return e.Platform
		}
	}
	return ""
}
