package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-project/hallmark/verify"
)

// graph is the picture of a subject: itself, its platforms, the evidence on each and who
// signed it, from left to right.
type graph struct {
	Width, Height int
	Boxes         []box
	Lines         []wire
	Summary       string // for those who do not see it
}

type box struct {
	X, Y, W, H int
	Class      string
	Text, Sub  string
}

type wire struct{ X1, Y1, X2, Y2, Mid int }

// Measures of the picture, in its own units, and how much it shows.
const (
	boxWidth, boxHeight = 216, 40
	stepX, stepY        = 288, 50
	boxText             = 26

	mostPlatforms   = 8
	mostPerPlatform = 6
	mostSigners     = 8
)

// drawing places boxes: one row after the other, signers in a column of their own.
type drawing struct {
	g       graph
	row     int
	signers []verify.Signer
	vouches [][2]int // box of evidence, signer
}

// graphOf draws what the report found, nil if there is nothing to draw.
func graphOf(s *Subject) *graph {
	groups := groupEvidence(s.Report)
	if len(groups) == 0 {
		return nil
	}
	var d drawing
	d.g.Boxes = append(d.g.Boxes, box{W: boxWidth, H: boxHeight, Class: "root", Text: shorten(s.Subject, boxText), Sub: shorten(s.Digest, 24)})
	shown, more := capped(groups, mostPlatforms)
	var middles []int
	for _, group := range shown {
		middles = append(middles, d.group(group))
	}
	if more > 0 {
		middles = append(middles, d.put(1, d.row, "more", "and "+count(more, "more platform", "more platforms"), ""))
		d.row++
	}
	d.g.Boxes[0].Y = (d.g.Boxes[middles[0]].Y + d.g.Boxes[middles[len(middles)-1]].Y) / 2
	for _, middle := range middles {
		d.join(0, middle)
	}
	d.placeSigners()
	d.g.Width = 3*stepX + boxWidth + 2 // with the outer borders
	for _, b := range d.g.Boxes {
		d.g.Height = max(d.g.Height, b.Y+b.H+2)
	}
	d.g.Summary = fmt.Sprintf("%s, %s, %s", count(len(groups), "place", "places"), count(len(s.Report.Evidence), "piece of evidence", "pieces of evidence"), count(len(d.signers), "signer", "signers"))
	return &d.g
}

// evidenceGroup is the evidence on one digest, what counts first.
type evidenceGroup struct {
	on, platform string
	pieces       []verify.EvidenceReport
}

func groupEvidence(r *verify.Report) []evidenceGroup {
	var groups []evidenceGroup
	at := map[string]int{}
	find := func(on, platform string) int {
		i, have := at[on]
		if !have {
			i = len(groups)
			at[on] = i
			groups = append(groups, evidenceGroup{on: on, platform: platform})
		}
		return i
	}
	for _, q := range r.Requirements {
		for _, on := range q.On {
			find(on.Digest.String(), on.Platform)
		}
	}
	for _, e := range r.Evidence {
		i := find(e.On.String(), e.Platform)
		groups[i].pieces = append(groups[i].pieces, e)
	}
	for _, g := range groups {
		slices.SortStableFunc(g.pieces, func(a, b verify.EvidenceReport) int { return rank(a) - rank(b) })
	}
	return groups
}

func rank(e verify.EvidenceReport) int {
	if e.Counts {
		return 0
	}
	return 1
}

// put places a box and returns its index.
func (d *drawing) put(column, row int, class, text, sub string) int {
	d.g.Boxes = append(d.g.Boxes, box{column * stepX, row * stepY, boxWidth, boxHeight, class, shorten(text, boxText), shorten(sub, boxText+6)})
	return len(d.g.Boxes) - 1
}

func (d *drawing) join(from, to int) {
	a, b := d.g.Boxes[from], d.g.Boxes[to]
	d.g.Lines = append(d.g.Lines, wire{a.X + a.W, a.Y + a.H/2, b.X, b.Y + b.H/2, (a.X + a.W + b.X) / 2})
}

// group draws one platform with its evidence and returns the platform's box.
func (d *drawing) group(g evidenceGroup) int {
	name := g.platform
	if name == "" {
		name = "subject itself"
	}
	first := d.row
	platform := d.put(1, first, "platform", name, shorten(g.on, 24))
	pieces, more := capped(g.pieces, mostPerPlatform)
	for _, e := range pieces {
		d.piece(e)
	}
	if more > 0 {
		d.put(2, d.row, "more", fmt.Sprintf("and %d more", more), "")
		d.row++
	}
	if len(g.pieces) == 0 {
		d.put(2, d.row, "more", "no evidence", "")
		d.row++
	}
	d.g.Boxes[platform].Y = (first + d.row - 1) * stepY / 2
	for i := platform + 1; i < len(d.g.Boxes); i++ {
		d.join(platform, i)
	}
	return platform
}

func (d *drawing) piece(e verify.EvidenceReport) {
	class, sub := "counts", "counts"
	if !e.Counts {
		class, sub = "not", "does not count"
	}
	i := d.put(2, d.row, class, typeName(e), sub)
	d.row++
	if e.Signer == nil {
		return
	}
	at := slices.IndexFunc(d.signers, func(s verify.Signer) bool { return sameSigner(s, *e.Signer) })
	if at < 0 {
		at = len(d.signers)
		d.signers = append(d.signers, *e.Signer)
	}
	d.vouches = append(d.vouches, [2]int{i, at})
}

// placeSigners spreads the signers over the height of the evidence.
func (d *drawing) placeSigners() {
	shown, more := capped(d.signers, mostSigners)
	top := max(0, (d.row-len(shown)-min(more, 1))/2)
	boxes := make([]int, len(shown))
	for i, s := range shown {
		name, issuer := "key "+s.Key, ""
		if s.Identity != "" {
			name, issuer = strings.TrimPrefix(s.Identity, "https://"), strings.TrimPrefix(s.Issuer, "https://")
		}
		boxes[i] = d.put(3, top+i, "signer", name, issuer)
	}
	if more > 0 {
		d.put(3, top+len(shown), "more", "and "+count(more, "more signer", "more signers"), "")
	}
	for _, v := range d.vouches {
		if v[1] < len(boxes) {
			d.join(v[0], boxes[v[1]])
		}
	}
}

// sameSigner reports whether people would call both the same.
func sameSigner(a, b verify.Signer) bool {
	return a.Key == b.Key && a.Identity == b.Identity && a.Issuer == b.Issuer
}

// typeName is the part of a predicate type that tells it from others.
func typeName(e verify.EvidenceReport) string {
	names := []struct{ prefix, name string }{
		{"https://spdx.dev/Document", "SPDX"}, {"https://cyclonedx.org/bom", "CycloneDX"},
		{"https://slsa.dev/provenance", "SLSA provenance"}, {"https://slsa.dev/verification_summary", "verification summary"},
		{"https://sigstore.dev/cosign/sign", "signature"}, {"https://openvex.dev/ns", "OpenVEX"},
		{"https://cosign.sigstore.dev/attestation/vuln", "vulnerability scan"}, {"https://in-toto.io/attestation/vulns", "vulnerability scan"},
	}
	for _, n := range names {
		if strings.HasPrefix(e.ClaimedType, n.prefix) {
			return n.name
		}
	}
	return kind(e)
}
