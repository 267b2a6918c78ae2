package oci

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// What earlier runs found out about a registry decides in which order it is asked, never what is concluded: a registry
// that had no referrers API an hour ago is asked for it again, at the same time as for the list under the fallback tag.
const (
	kindReferrers = "referrers" // of the cache; the key is where the registry is
	answerPresent = "present"
	answerAbsent  = "absent"

	lifetimePresent = 24 * time.Hour
	lifetimeAbsent  = time.Hour
)

// expectsNoAPI reports whether this registry had no referrers API when it was last asked.
func (r *repository) expectsNoAPI() bool {
	return r.apiState() == apiUnknown && r.capability() == answerAbsent
}

// capability is what is known of the registry's referrers API; empty: nothing.
func (r *repository) capability() string {
	if r.client.options.Cache == nil {
		return ""
	}
	answer, _ := r.client.options.Cache.Get(kindReferrers, r.origin(), int64(len(answerPresent)))
	return string(answer)
}

// origin is where the registry is: scheme, host and port.
func (r *repository) origin() string { return r.base[:len(r.base)-len("/v2/"+r.path+"/")] }

// found notes what the registry has just shown, for this run and for later ones.
func (r *repository) found(s apiState) {
	known := r.apiState() != apiUnknown
	r.setAPI(s)
	answer, lifetime := answerPresent, lifetimePresent
	if s == apiAbsent {
		answer, lifetime = answerAbsent, lifetimeAbsent
	}
	if r.client.options.Cache != nil && !known && r.capability() != answer {
		r.client.options.Cache.Put(kindReferrers, r.origin(), []byte(answer), lifetime)
	}
}

// foreseen is a list under the fallback tag that is read before it is known to be needed.
type foreseen struct {
	done  chan struct{}
	index fallback
	err   error
}

// foreseeFallback starts reading the list under the fallback tag. Whoever does not want it cancels ctx.
func (r *repository) foreseeFallback(ctx context.Context, subject digest.Digest) *foreseen {
	f := &foreseen{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.index, f.err = r.fallbackIndex(ctx, subject)
	}()
	return f
}

func (f *foreseen) wait() (fallback, error) {
	<-f.done
	return f.index, f.err
}
