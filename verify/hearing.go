package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

// hearing is what one instance of Sigstore has to say of a signature: each instance is
// heard alone, and what it says never adds to what another says.
type hearing struct {
	instance trust.Instance
	facts    []Fact
	ok       bool
	times    []time.Time // trusted times of signing
	stamps   []string    // timestamp authorities that vouch for one, each once
	logs     []string    // logs that hold the signature, each once
	untimed  []trust.Log // of those, the ones that say no time
}

func (h *hearing) check(name, against string, err error) bool {
	fact := Fact{Check: name, Against: against, Outcome: Passed}
	if err != nil {
		fact.Outcome, fact.Cause = Failed, err.Error()
		h.ok = false
	}
	h.facts = append(h.facts, fact)
	return err == nil
}

func (h *hearing) notChecked(name, against, cause string) {
	h.facts = append(h.facts, Fact{Check: name, Against: against, Outcome: NotChecked, Cause: cause})
}

func (h *hearing) passed() (n int) {
	for _, f := range h.facts {
		if f.Outcome == Passed {
			n++
		}
	}
	return n
}

// hear asks the instances, and keeps the first that vouches for everything and suits,
// else the first that vouches, else the one that came closest.
func hear(instances []trust.Instance, one func(trust.Instance) hearing, suits func(trust.Instance) bool) hearing {
	if len(instances) == 0 {
		none := hearing{}
		none.check(CheckChain, "", fmt.Errorf("no trusted root was given that could vouch for it"))
		return none
	}
	var best hearing
	for i, instance := range instances {
		h := one(instance)
		if h.ok && suits(instance) {
			return h
		}
		if i == 0 || h.ok && !best.ok || h.ok == best.ok && h.passed() > best.passed() {
			best = h
		}
	}
	return best
}

// public are the instances that vouch for anybody.
func (s *assessor) public() []trust.Instance {
	return slices.DeleteFunc(slices.Clone(s.root.Instances), func(i trust.Instance) bool { return i.Private })
}

func anyInstance(trust.Instance) bool { return true }

// adopt makes what an instance said part of the assessment.
func (a *assessment) adopt(h hearing) {
	a.report.Facts = append(a.report.Facts, h.facts...)
	a.accepted = a.accepted && h.ok
	a.signer.Times, a.signer.Logs, a.signer.TimestampAuthorities = h.times, h.logs, h.stamps
	if h.ok {
		a.signer.Instance = h.instance.Name
	}
}

// hearTimestamps finds the timestamps over the signature that the instance's
// authorities made. Others do not count, and do no harm.
func (s *assessor) hearTimestamps(h *hearing, evidence signed) {
	for _, stamp := range evidence.timestamps {
		authority, t, err := h.instance.VerifyTimestamp(stamp, evidence.signature)
		if err != nil && evidence.stamped != nil {
			authority, t, err = h.instance.VerifyTimestamp(stamp, evidence.stamped)
		}
		if err != nil {
			h.notChecked(CheckTimestamp, h.instance.Name, "it does not count: "+err.Error())
			continue
		}
		h.check(CheckTimestamp, fmt.Sprintf("%s at %s", authority.Authority(), t.UTC().Format(time.RFC3339)), nil)
		h.times = append(h.times, t)
		h.stamps = addOnce(h.stamps, authority.Authority())
	}
}

// hearLogs finds the entries that logs of the instance vouch for. An entry that claims
// to be of such a log and is not fails the evidence; one of another log does not count.
func (s *assessor) hearLogs(h *hearing, evidence signed) {
	for _, entry := range evidence.logEntries {
		log, ok := trust.FindLog(h.instance.Logs, entry.LogID)
		if !ok {
			h.notChecked(CheckLogInclusion, h.instance.Name, "it does not count: the entry is of a log that the trusted root does not have")
			continue
		}
		name := fmt.Sprintf("%s entry %d", log.URI, entry.Index)
		t, err := s.vouches(log, entry)
		if !h.check(CheckLogInclusion, name, err) {
			continue
		}
		h.logs = addOnce(h.logs, log.Authority())
		if t.IsZero() {
			h.untimed = append(h.untimed, log)
		} else {
			h.times = append(h.times, t)
		}
	}
}

// vouches checks that a log holds an entry: by the promise that Rekor's first version
// signs, and by a proof. The time is that of the promise, zero without one: what no
// signature covers is no time.
func (s *assessor) vouches(log trust.Log, entry bundle.LogEntry) (t time.Time, err error) {
	if entry.Promise == nil && entry.Proof == nil {
		return t, fmt.Errorf("%w: it has neither a promise nor a proof", trust.ErrLog)
	}
	if entry.Promise != nil {
		t, err = log.VerifyPromise(trust.Promise{Body: entry.Body, IntegratedTime: entry.IntegratedTime, Index: entry.Index}, entry.Promise)
		if err != nil {
			return t, err
		}
	}
	if entry.Proof != nil {
		err = log.VerifyInclusion(entry.Body, trust.Proof(*entry.Proof))
	}
	return t, err
}

// needLogs holds the instance to its own standard: one that has logs wants an entry in
// one of them, and as many authorities as the policy asks for.
func (s *assessor) needLogs(h *hearing, evidence signed) {
	need := s.policy.Logs
	if need == 0 && len(h.instance.Logs) > 0 {
		need = 1
	}
	if len(h.logs) >= need {
		s.checkLogWindows(h)
		return
	}
	against := fmt.Sprintf("%d of %d logs", len(h.logs), need)
	if len(evidence.logEntries) == 0 && len(h.stamps) > 0 {
		if s.policy.AllowPending && s.policy.Logs == 0 {
			h.notChecked(CheckLogInclusion, against, "it is not yet logged, and the policy allows that")
			return
		}
		h.check(CheckLogInclusion, against, errPending)
		return
	}
	h.check(CheckLogInclusion, against, fmt.Errorf("it is in %d of the logs that the trusted root has, and %d are wanted", len(h.logs), need))
}

// checkLogWindows checks the keys of logs whose entries say no time. One that was out
// of use before the signature was made cannot have logged it, nor can one that is not
// in use yet; between the two, an entry may be later than the signature.
func (s *assessor) checkLogWindows(h *hearing) {
	earliest := s.now
	for _, t := range h.times {
		if t.Before(earliest) {
			earliest = t
		}
	}
	for _, log := range h.untimed {
		began := trust.Window{From: log.Key.Validity.From}.Contains(s.now)
		ended := !trust.Window{Until: log.Key.Validity.Until}.Contains(earliest)
		if !began || ended {
			h.check(CheckLogInclusion, log.URI, fmt.Errorf("%w: the signature is of %s, and the log's key is trusted %s",
				trust.ErrLog, earliest.UTC().Format(time.RFC3339), log.Key.Validity))
		}
	}
}

// needTimestamps asks for as many timestamp authorities as the policy wants; keyless
// evidence needs a trusted time in any case, unless the instance has nobody who could
// give one.
func (s *assessor) needTimestamps(h *hearing, keyless bool) {
	if need := s.policy.Timestamps; len(h.stamps) < need {
		h.check(CheckTimestamp, fmt.Sprintf("%d of %d authorities", len(h.stamps), need),
			fmt.Errorf("%d timestamp authorities vouch for its time, and %d are wanted", len(h.stamps), need))
		return
	}
	stampsOnly := len(h.instance.Logs) == 0 && len(h.instance.TSAs) > 0
	for _, t := range h.times {
		if t.After(s.now.Add(clockSkew)) {
			h.check(CheckTimestamp, t.UTC().Format(time.RFC3339), fmt.Errorf("it is of a time to come; now is %s: is the clock right?", s.now.UTC().Format(time.RFC3339)))
			return
		}
	}
	if len(h.times) > 0 || !keyless && !stampsOnly {
		return
	}
	if len(h.instance.Logs)+len(h.instance.TSAs) > 0 {
		h.check(CheckTimestamp, h.instance.Name, fmt.Errorf("nobody whom the trusted root names says when it was signed (%s)", h.instance.Name))
	}
}

// clockSkew is how far the clocks of a verifier and of an authority may be apart.
const clockSkew = time.Hour

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
