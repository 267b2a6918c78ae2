package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-project/hallmark/trust"
)

// checkKeySigned judges evidence that is signed with a key: the key, its log entries
// and timestamps, and that the key might be used.
func (s *assessor) checkKeySigned(a *assessment, evidence signed) {
	key := s.checkSignature(a, evidence)
	s.checkEntries(a, evidence, func(v verifier) bool { return key == nil || v.isKey(key.DER()) })
	if key == nil {
		return
	}
	times := []time.Time{s.now}
	if s.root.KeysInLog || s.policy.Logs > 0 || s.policy.Timestamps > 0 {
		h := hear(s.public(), func(i trust.Instance) hearing { return s.hearKey(i, evidence) }, anyInstance)
		a.adopt(h)
		if len(h.times) > 0 {
			times = h.times
		}
	} else if h := s.hearTimes(evidence); len(h.times) > 0 {
		a.adopt(h)
		times = h.times
	} else if len(evidence.logEntries)+len(evidence.timestamps) > 0 {
		a.notChecked(CheckLogInclusion, "no log and no timestamp authority is asked here")
	}
	s.checkValidity(a, *key, times)
}

// hearTimes asks when evidence was signed that needs no witness.
func (s *assessor) hearTimes(evidence signed) hearing {
	if len(evidence.logEntries)+len(evidence.timestamps) == 0 || len(s.public()) == 0 {
		return hearing{}
	}
	h := hear(s.public(), func(i trust.Instance) hearing {
		h := hearing{instance: i, ok: true}
		s.hearTimestamps(&h, evidence)
		s.hearLogs(&h, evidence)
		s.needTimestamps(&h, false)
		return h
	}, anyInstance)
	if !h.ok {
		return hearing{}
	}
	return h
}

// hearKey asks an instance what it knows of a signature made with a key.
func (s *assessor) hearKey(i trust.Instance, evidence signed) hearing {
	h := hearing{instance: i, ok: true}
	s.hearTimestamps(&h, evidence)
	s.hearLogs(&h, evidence)
	s.needTimestamps(&h, false)
	if s.root.KeysInLog || s.policy.Logs > 0 {
		s.needLogs(&h, evidence)
	}
	return h
}

// checkSignature looks for the trusted key that made the signature. The evidence's
// own hint only decides which key is tried first.
func (s *assessor) checkSignature(a *assessment, evidence signed) *trust.Key {
	if len(evidence.signature) == 0 {
		a.check(CheckSignature, "trusted keys", fmt.Errorf("there is no signature"))
		return nil
	}
	if len(s.root.Keys) == 0 {
		a.check(CheckSignature, "", fmt.Errorf("it is signed with a key, and only identities were given as trusted"))
		return nil
	}
	cause := trust.ErrSignature
	for _, key := range hintFirst(s.root.Keys, evidence.hint) {
		err := evidence.verify(key)
		if err != nil {
			if len(s.root.Keys) == 1 || key.Hint() == evidence.hint {
				cause = fmt.Errorf("%s: %w", key.Name, err)
			}
			continue
		}
		a.signer = Signer{Key: key.Name, Fingerprint: key.Fingerprint(), Algorithm: key.Algorithm()}
		a.principals = []string{principalKey(key)}
		a.check(CheckSignature, "key "+key.Name, nil)
		return &key
	}
	if evidence.hint != "" && !hinted(s.root.Keys, evidence.hint) {
		cause = fmt.Errorf("it is by another key than those trusted: %w", cause)
	}
	a.check(CheckSignature, fmt.Sprintf("%d trusted keys", len(s.root.Keys)), cause)
	return nil
}

// byTrustedKey reports whether a trusted key made the signature. Older forms may carry a
// certificate beside a signature that a key vouches for.
func (s *assessor) byTrustedKey(evidence signed) bool {
	for _, key := range s.root.Keys {
		if len(evidence.signature) > 0 && evidence.verify(key) == nil {
			return true
		}
	}
	return false
}

// checkValidity checks that a key might be used at the trusted times, or now where
// there is none.
func (s *assessor) checkValidity(a *assessment, key trust.Key, times []time.Time) {
	for _, same := range s.root.Keys { // a key may be trusted under several names
		if same.Fingerprint() == key.Fingerprint() && !slices.ContainsFunc(times, func(t time.Time) bool { return !same.Validity.Contains(t) }) {
			a.trustedAs(same.Name)
		}
	}
	if key.Validity == (trust.Window{}) || len(a.names) > 0 && !slices.Contains(a.names, key.Name) {
		return
	}
	for _, t := range times {
		var err error
		if !key.Validity.Contains(t) {
			err = fmt.Errorf("the key may be used %s", key.Validity)
		}
		a.check(CheckKeyValidity, t.UTC().Format(time.RFC3339), err)
	}
}

func hintFirst(keys []trust.Key, hint string) []trust.Key {
	var first, rest []trust.Key
	for _, k := range keys {
		if k.Hint() == hint {
			first = append(first, k)
		} else {
			rest = append(rest, k)
		}
	}
	return append(first, rest...)
}

func hinted(keys []trust.Key, hint string) bool {
	for _, k := range keys {
		if k.Hint() == hint {
			return true
		}
	}
	return false
}
