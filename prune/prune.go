// Package prune decides which evidence newer evidence has made superfluous. It looks at
// verified facts alone and removes nothing itself.
package prune

import (
	"cmp"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/policy"
)

// Piece is a piece of evidence whose signature was verified.
type Piece struct {
	On       digest.Digest // what it is about
	Platform string
	Evidence digest.Digest // of its manifest
	// Signer tells signers apart: the fingerprint of a key, or identity and issuer.
	Signer string
	// Type is the predicate type.
	Type string
	// Repository is the one that the statement names, if it does: one about another
	// repository is no newer word on this one.
	Repository string
	// Since is the time before which it cannot have been signed.
	Since time.Time
	// Time is when somebody whom the trusted root names saw the signature; zero: nobody.
	Time time.Time
	// Bounded says that it was not signed long before Time. A signature by a key can be
	// stamped again by anybody, at any time: that makes nothing newer.
	Bounded bool
	// Alone says that its manifest holds nothing else.
	Alone bool
}

// Reason is why a piece is kept.
type Reason string

// Why pieces are kept.
const (
	ReasonNewest    Reason = "the newest of its signer and type"
	ReasonProtected Reason = "results, VEX and verdicts are kept unless --type names them"
	ReasonNotAsked  Reason = "of a type that was not asked for"
	ReasonUntimed   Reason = "nobody who is trusted says when it was signed"
	ReasonUnbounded Reason = "a key signed it, and anybody can have that stamped again: its order is not known"
	ReasonOverlap   Reason = "the newer one may have been signed before it, within the life of its certificate"
	ReasonShared    Reason = "its manifest holds other evidence too"
	ReasonNeeded    Reason = "what is asked for needs it"
)

// Decision is what is to become of a piece.
type Decision struct {
	Piece
	// By is the newer evidence that makes this superfluous; empty: it is kept, for Reason.
	By     digest.Digest
	Reason Reason
}

// protected are types whose older pieces say something that newer ones do not: that a
// finding was known, that a test failed.
var protected = []string{"vuln", "openvex", "vsa", "test-result"}

// Superseded decides about pieces. What one signer said does not touch what another one
// said, nor one type another, nor one digest another. types, if there are any, are the
// only ones that are looked at; protected ones have to be named.
func Superseded(pieces []Piece, types []policy.Type) []Decision {
	type group struct {
		on         digest.Digest
		signer     string
		kind       string
		repository string
	}
	newest := map[group]Piece{}
	key := func(p Piece) group { return group{p.On, p.Signer, p.Type, p.Repository} }
	for _, p := range pieces {
		if !ordered(p) {
			continue
		}
		if have, ok := newest[key(p)]; !ok || p.Time.After(have.Time) {
			newest[key(p)] = p
		}
	}
	out := make([]Decision, len(pieces))
	for i, p := range pieces {
		out[i] = Decision{Piece: p, Reason: keep(p, newest[key(p)], types)}
		if out[i].Reason == "" {
			out[i].By = newest[key(p)].Evidence
		}
	}
	slices.SortStableFunc(out, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.On, b.On), cmp.Compare(a.Signer, b.Signer), cmp.Compare(a.Type, b.Type), a.Time.Compare(b.Time), cmp.Compare(a.Evidence, b.Evidence))
	})
	return out
}

// ordered reports whether it is known when a piece was signed.
func ordered(p Piece) bool { return !p.Time.IsZero() && p.Bounded }

// keep is why a piece is kept; empty: it is not.
func keep(p, newest Piece, types []policy.Type) Reason {
	named := slices.ContainsFunc(types, func(t policy.Type) bool { return t.Matches(p.Type) })
	switch {
	case len(types) > 0 && !named:
		return ReasonNotAsked
	case !named && slices.Contains(protected, policy.TypeOf(p.Type).String()):
		return ReasonProtected
	case p.Time.IsZero():
		return ReasonUntimed
	case !p.Bounded:
		return ReasonUnbounded
	case !p.Time.Before(newest.Time):
		return ReasonNewest
	case !newest.Since.After(p.Time):
		return ReasonOverlap
	case !p.Alone:
		return ReasonShared
	}
	return ""
}
