package prune

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/policy"
)

const spdx = "https://spdx.dev/Document"

// at is a piece that an identity signed at a minute.
func at(name string, minute int, change ...func(*Piece)) Piece {
	p := Piece{On: digest.FromString("image"), Evidence: digest.FromString(name), Signer: "a", Type: spdx,
		Time: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), Bounded: true, Alone: true}
	p.Since = p.Time.Add(-time.Second)
	for _, f := range change {
		f(&p)
	}
	return p
}

func TestSuperseded(t *testing.T) {
	signer := func(name string) func(*Piece) { return func(p *Piece) { p.Signer = name } }
	kind := func(uri string) func(*Piece) { return func(p *Piece) { p.Type = uri } }
	untimed := func(p *Piece) { p.Time = time.Time{} }
	unbounded := func(p *Piece) { p.Bounded = false }
	shared := func(p *Piece) { p.Alone = false }
	longLived := func(p *Piece) { p.Since = p.Since.Add(-time.Hour) }
	of := func(repository string) func(*Piece) { return func(p *Piece) { p.Repository = repository } }
	elsewhere := func(p *Piece) { p.On = digest.FromString("another image") }
	vuln, vex, vsa, result := "https://cosign.sigstore.dev/attestation/vuln/v1", "https://openvex.dev/ns", "https://slsa.dev/verification_summary/v1", "https://in-toto.io/attestation/test-result/v0.1"
	for name, test := range map[string]struct {
		pieces []Piece
		types  []string
		want   Reason // of the piece called old; empty: it goes
	}{
		"superseded":            {[]Piece{at("old", 1), at("new", 2)}, nil, ""},
		"order does not matter": {[]Piece{at("new", 2), at("old", 1)}, nil, ""},
		"the newest":            {[]Piece{at("old", 2), at("older", 1)}, nil, ReasonNewest},
		"at the same time":      {[]Piece{at("old", 1), at("new", 1)}, nil, ReasonNewest},
		"alone":                 {[]Piece{at("old", 1)}, nil, ReasonNewest},
		"another signer":        {[]Piece{at("old", 1), at("new", 2, signer("b"))}, nil, ReasonNewest},
		"another type":          {[]Piece{at("old", 1), at("new", 2, kind("https://cyclonedx.org/bom"))}, nil, ReasonNewest},
		"another digest":        {[]Piece{at("old", 1), at("new", 2, elsewhere)}, nil, ReasonNewest},
		"another repository":    {[]Piece{at("old", 1, of("team/prod")), at("new", 2, of("team/dev"))}, nil, ReasonNewest},
		"may be the older one":  {[]Piece{at("old", 1), at("new", 2, longLived)}, nil, ReasonOverlap},
		"no time":               {[]Piece{at("old", 1, untimed), at("new", 2)}, nil, ReasonUntimed},
		"newer has no time":     {[]Piece{at("old", 1), at("new", 2, untimed)}, nil, ReasonNewest},
		"stamped":               {[]Piece{at("old", 1, unbounded), at("new", 2)}, nil, ReasonUnbounded},
		"newer is stamped":      {[]Piece{at("old", 1), at("new", 2, unbounded)}, nil, ReasonNewest},
		"shared manifest":       {[]Piece{at("old", 1, shared), at("new", 2)}, nil, ReasonShared},
		"not asked for":         {[]Piece{at("old", 1), at("new", 2)}, []string{"cyclonedx"}, ReasonNotAsked},
		"asked for":             {[]Piece{at("old", 1), at("new", 2)}, []string{"spdx"}, ""},
		"vulnerabilities":       {[]Piece{at("old", 1, kind(vuln)), at("new", 2, kind(vuln))}, nil, ReasonProtected},
		"VEX":                   {[]Piece{at("old", 1, kind(vex)), at("new", 2, kind(vex))}, nil, ReasonProtected},
		"verdicts":              {[]Piece{at("old", 1, kind(vsa)), at("new", 2, kind(vsa))}, nil, ReasonProtected},
		"test results":          {[]Piece{at("old", 1, kind(result)), at("new", 2, kind(result))}, nil, ReasonProtected},
		"named":                 {[]Piece{at("old", 1, kind(vuln)), at("new", 2, kind(vuln))}, []string{"vuln"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var types []policy.Type
			for _, name := range test.types {
				kind, err := policy.ParseType(name)
				if err != nil {
					t.Fatal(err)
				}
				types = append(types, kind)
			}
			for _, d := range Superseded(test.pieces, types) {
				switch d.Evidence {
				case digest.FromString("old"):
					if d.Reason != test.want || (d.By == "") != (test.want != "") {
						t.Errorf("reason %q, by %q; want %q", d.Reason, d.By, test.want)
					}
				case digest.FromString("new"):
					if d.By != "" {
						t.Errorf("%v goes", d)
					}
				}
			}
		})
	}
}
