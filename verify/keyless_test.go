package verify_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// keyless is a world beside a Sigstore, for one case.
type keyless struct {
	*world
	sigstore *sigstore.World
	request  sigstore.Request // what differs from a sound bundle
	policy   policy.Policy
	root     trust.Root // besides the Sigstore's own trusted root
	now      time.Time
}

func newKeyless(t *testing.T, options ...sigstore.Option) *keyless {
	k := &keyless{world: newWorld(t), sigstore: sigstore.New(t, options...), policy: require(t, "signature")}
	k.policy.Identities = []policy.Identity{{Subject: "dev@example.com", Issuer: k.sigstore.Issuer.URL}}
	k.request.Payload = k.payload(k.amd64, signature)
	k.now = k.sigstore.Now().Add(24 * time.Hour)
	return k
}

func (k *keyless) instances(raw []byte) []trust.Instance {
	k.t.Helper()
	instances, err := trust.ParseInstances("the world", raw)
	k.must(err)
	return instances
}

func (k *keyless) verify() (*verify.Result, *verify.Report, error) {
	k.t.Helper()
	k.attachContent(k.amd64, k.sigstore.Bundle(k.request), signature.Type)
	if k.root.Instances == nil {
		k.root.Instances = k.instances(k.sigstore.TrustedRoot())
	}
	return k.judge()
}

// judge verifies what is attached.
func (k *keyless) judge() (*verify.Result, *verify.Report, error) {
	k.t.Helper()
	return verify.Verify(context.Background(), k.amd64, k.sources(), k.root, k.policy, verify.Options{Now: k.now})
}

func pattern(t *testing.T, source string) *policy.Pattern {
	t.Helper()
	p, err := policy.ParsePattern(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const workflow = "https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main"

// asWorkflow makes the signer a workflow of octo/app.
func (k *keyless) asWorkflow() {
	k.request.Identity = sigstore.Identity{URI: workflow}
	k.request.Issuer = sigstore.GitHubIssuer
	k.request.Extensions = sigstore.Extensions{
		sigstore.SourceRepositoryURI: "https://github.com/octo/app", sigstore.SourceRepositoryRef: "refs/heads/main",
		sigstore.SourceRepositoryDigest: strings.Repeat("a", 40), sigstore.BuildSignerURI: workflow,
		sigstore.BuildSignerDigest: strings.Repeat("b", 40), sigstore.RunnerEnvironment: "github-hosted", sigstore.BuildTrigger: "push",
	}
	k.policy.Identities = []policy.Identity{{Subject: workflow, Issuer: sigstore.GitHubIssuer}}
}

type keylessCase struct {
	name    string
	options []sigstore.Option
	arrange func(k *keyless)
	check   string // the check that fails; empty: verified
}

func (c keylessCase) run(t *testing.T) {
	k := newKeyless(t, c.options...)
	if c.arrange != nil {
		c.arrange(k)
	}
	result, report, err := k.verify()
	switch {
	case c.check == "" && err != nil:
		t.Fatalf("got %v, want it verified\n%s", err, dump(report))
	case c.check == "":
		if s := result.Verified()[0].Signer; s.Identity == "" || s.Issuer == "" || s.Fingerprint == "" {
			t.Errorf("signer %+v: it must say who", s)
		}
	case !errors.Is(err, verify.ErrRejected):
		t.Fatalf("got %v, want it rejected\n%s", err, dump(report))
	case failedCheck(report) != c.check:
		t.Errorf("check %q failed first, want %q\n%s", failedCheck(report), c.check, dump(report))
	}
}

var rekorV1, rekorV2 = sigstore.WithRekorV1(), sigstore.WithRekorV2()

// TestKeylessRules has a case for each rule that keyless evidence has to pass.
func TestKeylessRules(t *testing.T) {
	hour := time.Hour
	v1 := []sigstore.Option{rekorV1}
	cases := []keylessCase{
		{name: "sound, log of version 2"},
		{name: "sound, log of version 1", options: v1},
		{name: "sound, dsse entry", options: v1, arrange: func(k *keyless) { k.request.Kind = sigstore.DSSE }},
		{name: "sound, intoto entry", options: v1, arrange: func(k *keyless) { k.request.Kind = sigstore.Intoto }},
		{name: "sound, bundle of version 0.1", options: v1, arrange: func(k *keyless) { k.request.MediaType = sigstore.BundleV01 }},
		{name: "sound, bundle of version 0.1 with a promise only", options: v1, arrange: func(k *keyless) {
			k.request.MediaType, k.request.EntryFaults.NoProof = sigstore.BundleV01, true
		}},
		{name: "sound, user name", arrange: func(k *keyless) {
			k.request.Identity = sigstore.Identity{Username: "me!issuer.example"}
			k.policy.Identities[0].Subject = "me!issuer.example"
		}},
		{name: "sound, no log and none trusted", options: []sigstore.Option{sigstore.WithoutLog(), sigstore.WithoutCT()}},

		// The certificate.
		{name: "an authority that is not trusted", arrange: func(k *keyless) {
			k.request.CA = sigstore.NewCA("mallory", year(k), year(k))
		}, check: verify.CheckChain},
		{name: "an authority of the same name", arrange: func(k *keyless) {
			k.request.CA = sigstore.NewCA(k.sigstore.CA.Name, year(k), year(k))
		}, check: verify.CheckChain},
		{name: "expired intermediate", arrange: func(k *keyless) {
			k.sigstore.CA.SetWindows(year(k), sigstore.Window{From: k.now.AddDate(-1, 0, 0), Until: k.sigstore.Now().Add(-hour)})
		}, check: verify.CheckChain},
		{name: "expired root", arrange: func(k *keyless) {
			k.sigstore.CA.SetWindows(sigstore.Window{From: k.now.AddDate(-1, 0, 0), Until: k.sigstore.Now().Add(-hour)}, year(k))
		}, check: verify.CheckChain},
		{name: "an authority that was dismissed before", arrange: func(k *keyless) {
			k.sigstore.CA.Valid.Until = k.sigstore.Now().Add(-hour)
		}, check: verify.CheckChain},
		{name: "signed after the certificate's end", arrange: func(k *keyless) {
			k.request.CertAt = k.sigstore.Now().Add(-11 * time.Minute)
		}, check: verify.CheckChain},
		{name: "signed before the certificate's beginning", arrange: func(k *keyless) {
			k.request.CertAt = k.sigstore.Now().Add(time.Minute)
		}, check: verify.CheckChain},
		{name: "a certificate that is not for signing code", arrange: func(k *keyless) {
			k.request.CertRequest = func(r *sigstore.CertRequest) { r.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
		}, check: verify.CheckChain},
		{name: "a critical extension that nobody knows", arrange: func(k *keyless) {
			k.request.CertRequest = func(r *sigstore.CertRequest) {
				r.Extra = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
			}
		}, check: verify.CheckChain},
		{name: "a chain that brings its root", options: v1, arrange: func(k *keyless) {
			k.request.MediaType = sigstore.BundleV02
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Chain = k.sigstore.CA.Chain() })
		}, check: verify.CheckCertificate},
		{name: "a chain in a bundle of version 0.3", arrange: func(k *keyless) {
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Chain = k.sigstore.CA.Chain()[:1] })
		}, check: verify.CheckFormat},
		{name: "another certificate's signature", arrange: func(k *keyless) {
			other := k.sigstore.Parts(k.request)
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Certificate = other.Certificate })
		}, check: verify.CheckSignature},

		// Certificate transparency.
		{name: "no SCT", arrange: func(k *keyless) { k.request.NoSCT = true }, check: verify.CheckSCT},
		{name: "SCT by another key", arrange: func(k *keyless) {
			k.request.SCTs = []sigstore.SCT{{Log: k.sigstore.CTLogs[0], WrongKey: true}}
		}, check: verify.CheckSCT},
		{name: "SCT of another certificate", arrange: func(k *keyless) {
			k.request.SCTs = []sigstore.SCT{{Log: k.sigstore.CTLogs[0], OtherCert: true}}
		}, check: verify.CheckSCT},
		{name: "SCT of a log that is not trusted", arrange: func(k *keyless) {
			k.request.SCTs = []sigstore.SCT{{Log: sigstore.NewCTLog("mallory", year(k))}}
		}, check: verify.CheckSCT},
		{name: "SCT outside the log's window", arrange: func(k *keyless) {
			k.sigstore.CTLogs[0].Valid.Until = k.sigstore.Now().Add(-hour)
		}, check: verify.CheckSCT},
		{name: "a bad SCT beside a good one", arrange: func(k *keyless) {
			k.request.SCTs = []sigstore.SCT{{Log: k.sigstore.CTLogs[0], WrongKey: true}, {Log: k.sigstore.CTLogs[0]}}
		}},
		{name: "two SCTs of one log are not two", arrange: func(k *keyless) {
			k.request.SCTs = []sigstore.SCT{{Log: k.sigstore.CTLogs[0]}, {Log: k.sigstore.CTLogs[0], Time: k.sigstore.Now().Add(-time.Second)}}
			k.policy.SCTs = 2
		}, check: verify.CheckSCT},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestLogRules has a case for each rule about transparency logs.
func TestLogRules(t *testing.T) {
	hour := time.Hour
	v1 := []sigstore.Option{rekorV1}
	faulty := func(f sigstore.EntryFaults) func(*keyless) { return func(k *keyless) { k.request.EntryFaults = f } }
	cases := []keylessCase{
		{name: "not logged", arrange: func(k *keyless) { k.request.NoLog = true }, check: verify.CheckLogInclusion},
		{name: "not logged yet, which is allowed", arrange: func(k *keyless) { k.request.NoLog, k.policy.AllowPending = true, true }},
		{name: "not logged and no timestamp, though pending is allowed", arrange: func(k *keyless) {
			k.request.NoLog, k.request.NoTimestamp, k.policy.AllowPending = true, true, true
		}, check: verify.CheckTimestamp},
		{name: "a log that is not trusted, though pending is allowed", arrange: func(k *keyless) {
			k.request.Log, k.policy.AllowPending = sigstore.NewLog("mallory.example", 2, year(k)), true
		}, check: verify.CheckLogInclusion},
		{name: "a log that is not trusted", arrange: func(k *keyless) {
			k.request.Log = sigstore.NewLog("mallory.example", 2, year(k))
		}, check: verify.CheckLogInclusion},
		{name: "a log of the same name", arrange: func(k *keyless) {
			k.request.Log = sigstore.NewLog(k.sigstore.Logs[0].Name, 2, year(k))
		}, check: verify.CheckLogInclusion},
		{name: "wrong index", arrange: faulty(sigstore.EntryFaults{WrongIndex: true}), check: verify.CheckLogInclusion},
		{name: "corrupted proof", arrange: faulty(sigstore.EntryFaults{WrongHash: true}), check: verify.CheckLogInclusion},
		{name: "proof of another root", arrange: faulty(sigstore.EntryFaults{WrongRoot: true}), check: verify.CheckLogInclusion},
		{name: "checkpoint of another tree", arrange: faulty(sigstore.EntryFaults{OtherTree: true}), check: verify.CheckLogInclusion},
		{name: "checkpoint signed by another key", arrange: faulty(sigstore.EntryFaults{ForgedNote: true}), check: verify.CheckLogInclusion},
		{name: "checkpoint of another log", options: []sigstore.Option{rekorV2, sigstore.WithRekorV1()}, arrange: func(k *keyless) {
			k.request.EntryFaults.CheckpointBy = k.sigstore.Logs[1]
		}, check: verify.CheckLogInclusion},
		{name: "no checkpoint", arrange: faulty(sigstore.EntryFaults{NoCheckpoint: true}), check: verify.CheckLogInclusion},
		{name: "no proof", arrange: faulty(sigstore.EntryFaults{NoProof: true}), check: verify.CheckFormat},
		{name: "version 1: corrupted proof under a good promise", options: v1, arrange: faulty(sigstore.EntryFaults{WrongHash: true}), check: verify.CheckLogInclusion},
		{name: "version 1: forged promise", options: v1, arrange: faulty(sigstore.EntryFaults{ForgedPromise: true}), check: verify.CheckLogInclusion},
		{name: "version 1: a promise only, in a bundle of version 0.2", options: v1, arrange: func(k *keyless) {
			k.request.MediaType, k.request.EntryFaults.NoProof = sigstore.BundleV02, true
		}, check: verify.CheckFormat},
		{name: "version 1: forged promise only, in a bundle of version 0.1", options: v1, arrange: func(k *keyless) {
			k.request.MediaType, k.request.EntryFaults = sigstore.BundleV01, sigstore.EntryFaults{NoProof: true, ForgedPromise: true}
		}, check: verify.CheckLogInclusion},
		{name: "version 1: time outside the certificate's validity", options: v1, arrange: func(k *keyless) {
			k.request.EntryFaults.Time = k.sigstore.Now().Add(hour)
		}, check: verify.CheckChain},
		{name: "version 1: the time is no time without a promise", options: v1, arrange: faulty(sigstore.EntryFaults{NoPromise: true}), check: verify.CheckTimestamp},
		{name: "version 1: outside the key's window", options: v1, arrange: func(k *keyless) {
			k.sigstore.Logs[0].Valid.Until = k.sigstore.Now().Add(-hour)
		}, check: verify.CheckLogInclusion},
		{name: "version 2: signed after the log's end", arrange: func(k *keyless) {
			k.sigstore.Logs[0].Valid.Until = k.sigstore.Now().Add(-hour)
		}, check: verify.CheckLogInclusion},
		{name: "version 2: a log that has not begun", arrange: func(k *keyless) {
			k.sigstore.Logs[0].Valid.From = k.now.Add(hour)
		}, check: verify.CheckLogInclusion},
		{name: "version 2: a log that began after signing", arrange: func(k *keyless) {
			k.sigstore.Logs[0].Valid.From = k.sigstore.Now().Add(hour)
		}},
		{name: "entry swapped between two bundles", arrange: func(k *keyless) {
			other := k.sigstore.Parts(k.request)
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Entries = other.Entries })
		}, check: verify.CheckLogEntry},
		{name: "entry about another signature", arrange: func(k *keyless) {
			k.request.EntrySignature = []byte("another")
		}, check: verify.CheckLogEntry},
		{name: "entry that says it is of another kind", arrange: func(k *keyless) {
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Entries[0].KindVersion.Kind = "dsse" })
		}, check: verify.CheckLogEntry},
		{name: "two entries of one log are not two", arrange: func(k *keyless) {
			k.request.ExtraLogs = []*sigstore.Log{k.sigstore.Logs[0]}
			k.policy.Logs = 2
		}, check: verify.CheckLogInclusion},
		{name: "entries of two logs are two", options: []sigstore.Option{rekorV2, rekorV1}, arrange: func(k *keyless) {
			k.request.ExtraLogs = []*sigstore.Log{k.sigstore.Logs[1]}
			k.policy.Logs = 2
		}},
		{name: "an entry of a stranger's log beside a good one", arrange: func(k *keyless) {
			k.request.ExtraLogs = []*sigstore.Log{sigstore.NewLog("stranger.example", 2, year(k))}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestTimestampRules has a case for each rule about timestamps.
func TestTimestampRules(t *testing.T) {
	hour := time.Hour
	stamped := func(f sigstore.StampFaults) func(*keyless) { return func(k *keyless) { k.request.StampFaults = f } }
	cases := []keylessCase{
		{name: "no timestamp", arrange: func(k *keyless) { k.request.NoTimestamp = true }, check: verify.CheckTimestamp},
		{name: "a response without its certificate", arrange: stamped(sigstore.StampFaults{NoCert: true})},
		{name: "over something else", arrange: stamped(sigstore.StampFaults{Over: []byte("another signature")}), check: verify.CheckTimestamp},
		{name: "signed by another key", arrange: stamped(sigstore.StampFaults{WrongKey: true}), check: verify.CheckTimestamp},
		{name: "an authority that is not trusted", arrange: func(k *keyless) {
			k.request.TSAs = []*sigstore.TSA{sigstore.NewTSA("mallory", year(k), year(k))}
		}, check: verify.CheckTimestamp},
		{name: "outside the certificate's validity", arrange: func(k *keyless) {
			k.request.StampFaults.Time = k.sigstore.Now().Add(hour)
		}, check: verify.CheckChain},
		{name: "outside the authority's window", arrange: func(k *keyless) {
			k.sigstore.TSAs[0].Valid.Until = k.sigstore.Now().Add(-hour)
		}, check: verify.CheckTimestamp},
		{name: "after the end of the authority's certificate", arrange: func(k *keyless) {
			k.sigstore.TSAs[0].SetWindows(sigstore.Window{From: k.now.AddDate(-1, 0, 0), Until: k.sigstore.Now().Add(-hour)}, year(k))
			k.sigstore.TSAs[0].Valid = year(k)
		}, check: verify.CheckTimestamp},
		{name: "the authority's certificate has ended since", arrange: func(k *keyless) {
			k.sigstore.TSAs[0].SetWindows(sigstore.Window{From: k.now.AddDate(-1, 0, 0), Until: k.sigstore.Now().Add(hour)}, year(k))
		}},
		{name: "two timestamps of one authority are not two", arrange: func(k *keyless) {
			k.request.TSAs = []*sigstore.TSA{k.sigstore.TSAs[0], k.sigstore.TSAs[0]}
			k.policy.Timestamps = 2
		}, check: verify.CheckTimestamp},
		{name: "timestamps of two authorities are two", arrange: func(k *keyless) {
			second := sigstore.NewTSA("second", year(k), year(k))
			second.URL = "https://second.example/api/v1/timestamp"
			k.sigstore.TSAs = append(k.sigstore.TSAs, second)
			k.request.TSAs = k.sigstore.TSAs
			k.policy.Timestamps = 2
		}},
		{name: "of a time to come", arrange: func(k *keyless) { k.now = k.sigstore.Now().Add(-24 * time.Hour) }, check: verify.CheckTimestamp},
		{name: "one bad time of two", arrange: func(k *keyless) {
			other := k.request
			other.StampFaults.Time = k.sigstore.Now().Add(hour)
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) {
				p.Timestamps = append(p.Timestamps, k.sigstore.TSAs[0].Stamp(p.Signatures[0], k.sigstore.Now().Add(hour), sigstore.StampFaults{}))
			})
		}, check: verify.CheckChain},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestIdentityRules has a case for everything that an identity may ask of a certificate.
func TestIdentityRules(t *testing.T) {
	want := func(change func(i *policy.Identity)) func(*keyless) {
		return func(k *keyless) {
			k.asWorkflow()
			change(&k.policy.Identities[0])
		}
	}
	cases := []keylessCase{
		{name: "the workflow", arrange: func(k *keyless) { k.asWorkflow() }},
		{name: "another identity", arrange: want(func(i *policy.Identity) { i.Subject = "https://github.com/octo/other" }), check: verify.CheckIdentity},
		{name: "a prefix of the identity", arrange: want(func(i *policy.Identity) { i.Subject = strings.TrimSuffix(workflow, "/main") }), check: verify.CheckIdentity},
		{name: "another issuer", arrange: want(func(i *policy.Identity) { i.Issuer = "https://issuer.example" }), check: verify.CheckIdentity},
		{name: "a pattern that matches all", arrange: want(func(i *policy.Identity) {
			i.Subject, i.SubjectPattern = "", pattern(t, `https://github\.com/octo/app/.*`)
		})},
		{name: "a pattern that matches the beginning only", arrange: want(func(i *policy.Identity) {
			i.Subject, i.SubjectPattern = "", pattern(t, `https://github\.com/octo/app/`)
		}), check: verify.CheckIdentity},
		{name: "a pattern with alternatives is anchored as a whole", arrange: want(func(i *policy.Identity) {
			i.Subject, i.SubjectPattern = "", pattern(t, `x|https://github\.com/octo`)
		}), check: verify.CheckIdentity},
		{name: "an issuer pattern that matches a part only", arrange: want(func(i *policy.Identity) {
			i.Issuer, i.IssuerPattern = "", pattern(t, `token\.actions\.githubusercontent\.com`)
		}), check: verify.CheckIdentity},
		{name: "all claims", arrange: want(func(i *policy.Identity) {
			i.Claims = policy.Claims{SourceRepository: "https://github.com/octo/app", SourceRef: "refs/heads/main", SourceDigest: strings.Repeat("a", 40),
				BuildSignerURI: workflow, BuildSignerDigest: strings.Repeat("b", 40), RunnerEnvironment: "github-hosted", Trigger: "push"}
		})},
		{name: "another source repository", arrange: want(func(i *policy.Identity) { i.Claims.SourceRepository = "https://github.com/octo/fork" }), check: verify.CheckIdentity},
		{name: "another ref", arrange: want(func(i *policy.Identity) { i.Claims.SourceRef = "refs/heads/dev" }), check: verify.CheckIdentity},
		{name: "another commit", arrange: want(func(i *policy.Identity) { i.Claims.SourceDigest = strings.Repeat("c", 40) }), check: verify.CheckIdentity},
		{name: "another build signer", arrange: want(func(i *policy.Identity) { i.Claims.BuildSignerURI = "https://github.com/octo/x" }), check: verify.CheckIdentity},
		{name: "another build signer digest", arrange: want(func(i *policy.Identity) { i.Claims.BuildSignerDigest = strings.Repeat("c", 40) }), check: verify.CheckIdentity},
		{name: "a self-hosted runner", arrange: func(k *keyless) {
			k.asWorkflow()
			k.request.Extensions[sigstore.RunnerEnvironment] = "self-hosted"
			k.policy.Identities[0].Claims.RunnerEnvironment = policy.HostedRunner
		}, check: verify.CheckIdentity},
		{name: "another trigger", arrange: want(func(i *policy.Identity) { i.Claims.Trigger = "pull_request" }), check: verify.CheckIdentity},
		{name: "a claim that the certificate does not make", arrange: func(k *keyless) {
			k.asWorkflow()
			delete(k.request.Extensions, sigstore.RunnerEnvironment)
			k.policy.Identities[0].Claims.RunnerEnvironment = policy.HostedRunner
		}, check: verify.CheckIdentity},
		{name: "one of two identities", arrange: func(k *keyless) {
			k.asWorkflow()
			k.policy.Identities = append([]policy.Identity{{Subject: "x", Issuer: "y"}}, k.policy.Identities...)
		}},
		{name: "the repository's shorthand", arrange: func(k *keyless) {
			k.asWorkflow()
			identity, err := policy.GitHubRepo("octo/app")
			k.must(err)
			k.policy.Identities = []policy.Identity{identity}
		}},
		{name: "the shorthand of a repository whose name is a prefix", arrange: func(k *keyless) {
			k.asWorkflow()
			identity, err := policy.GitHubRepo("octo/ap")
			k.must(err)
			k.policy.Identities = []policy.Identity{identity}
		}, check: verify.CheckIdentity},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestInstancesAreNotMerged: what one trusted root lacks, another must not lend.
func TestInstancesAreNotMerged(t *testing.T) {
	k := newKeyless(t)
	k.request.NoLog = true
	other := sigstore.New(t, sigstore.WithName("other"), sigstore.WithoutLog())
	k.root.Instances = append(k.instances(k.sigstore.TrustedRoot()), k.instances(other.TrustedRoot())...)
	if _, report, err := k.verify(); !errors.Is(err, verify.ErrRejected) {
		t.Fatalf("got %v: a root without a log lent its leave to one with\n%s", err, dump(report))
	}

	k = newKeyless(t)
	k.root.Instances = append(k.instances(other.TrustedRoot()), k.instances(k.sigstore.TrustedRoot())...)
	if _, report, err := k.verify(); err != nil {
		t.Fatalf("got %v: the second root vouches for everything\n%s", err, dump(report))
	}

	k = newKeyless(t) // the certificate of one, the log and timestamp of another
	k.request.Log, k.request.TSAs = nil, other.TSAs
	k.root.Instances = append(k.instances(k.sigstore.TrustedRoot()), k.instances(other.TrustedRoot())...)
	if _, report, err := k.verify(); !errors.Is(err, verify.ErrRejected) {
		t.Fatalf("got %v: one root's timestamp was taken for another's certificate\n%s", err, dump(report))
	}
}

// TestKeylessNothingAsked: without an identity that pins somebody down, nothing is
// verified.
func TestKeylessNothingAsked(t *testing.T) {
	for name, identities := range map[string][]policy.Identity{
		"none": {}, "zero": {{}}, "issuer only": {{Issuer: "https://issuer.example"}}, "name only": {{Subject: "dev@example.com"}},
		"claims only": {{Claims: policy.Claims{RunnerEnvironment: policy.HostedRunner}, Issuer: "https://issuer.example"}},
	} {
		k := newKeyless(t)
		k.policy.Identities = identities
		if _, _, err := k.verify(); !errors.Is(err, verify.ErrNothingAsked) {
			t.Errorf("%s: got %v, want %v", name, err, verify.ErrNothingAsked)
		}
	}
	k := newKeyless(t)
	k.root.Instances = []trust.Instance{}
	if _, _, err := k.verify(); !errors.Is(err, verify.ErrNothingAsked) {
		t.Errorf("without a trusted root: got %v, want %v", err, verify.ErrNothingAsked)
	}
}

// TestKeysInLog: signatures by a key are held to the trusted root if that is asked for.
func TestKeysInLog(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(k *keyless)
		check   string
	}{
		{"logged", func(*keyless) {}, ""},
		{"not logged", func(k *keyless) { k.request.NoLog = true }, verify.CheckLogInclusion},
		{"not logged, and nobody asks", func(k *keyless) { k.request.NoLog, k.root.KeysInLog = true, false }, ""},
		{"entry of another key", func(k *keyless) {
			other := k.sigstore.Parts(sigstore.Request{Payload: k.request.Payload, Managed: true})
			k.request.Mutate = append(k.request.Mutate, func(p *sigstore.Parts) { p.Entries = other.Entries })
		}, verify.CheckLogEntry},
		{"the key had ended when it was signed", func(k *keyless) {
			k.root.Keys[0].Validity.Until = k.sigstore.Now().Add(-time.Hour)
		}, verify.CheckKeyValidity},
		{"the key has ended since", func(k *keyless) { k.root.Keys[0].Validity.Until = k.sigstore.Now().Add(time.Hour) }, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := newKeyless(t)
			k.policy.Identities = nil
			key := sigstore.NewKey()
			public, err := trust.NewKey("managed", key.Public())
			k.must(err)
			k.request.Key, k.request.Managed = key, true
			k.root = trust.Root{Keys: []trust.Key{public}, KeysInLog: true}
			c.arrange(k)
			_, report, err := k.verify()
			if (err == nil) != (c.check == "") || c.check != "" && failedCheck(report) != c.check {
				t.Fatalf("got %v and failed check %q, want %q\n%s", err, failedCheck(report), c.check, dump(report))
			}
		})
	}
}

func year(k *keyless) sigstore.Window {
	return sigstore.Around(k.sigstore.Now(), 365*24*time.Hour, 365*24*time.Hour)
}

// TestMessageDigest: the digest that a message signature names is the file's, whether the
// file is here or only its digest.
func TestMessageDigest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "artifact")
	if err := os.WriteFile(file, []byte("artifact"), 0o600); err != nil {
		t.Fatal(err)
	}
	subject, err := oci.FileSubject(file)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := oci.DigestSubject(subject.Digest())
	if err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { return oci.OpenFile(file, subject) }
	k := newKeyless(t)
	sound := sigstore.Request{Artifact: []byte("artifact")}
	for name, c := range map[string]struct {
		request sigstore.Request
		ok      bool
	}{
		"sound":             {sound, true},
		"another file":      {sigstore.Request{Artifact: []byte("other")}, false},
		"another digest":    {sigstore.Request{Artifact: []byte("artifact"), Mutate: []func(*sigstore.Parts){func(p *sigstore.Parts) { p.Digest[0] ^= 1 }}}, false},
		"another signature": {sigstore.Request{Artifact: []byte("artifact"), Mutate: []func(*sigstore.Parts){func(p *sigstore.Parts) { p.Signature[9] ^= 1 }}}, false},
	} {
		source := []verify.Source{verify.Bundles([]string{"bundle"}, [][]byte{k.sigstore.Bundle(c.request)})}
		root := trust.Root{Instances: k.instances(k.sigstore.TrustedRoot())}
		_, report, err := verify.Verify(context.Background(), subject, source, root, k.policy, verify.Options{Now: k.now, Artifact: open})
		if (err == nil) != c.ok {
			t.Errorf("%s, file: %v\n%s", name, err, dump(report))
		}
		_, report, err = verify.Verify(context.Background(), bare, source, root, k.policy, verify.Options{Now: k.now, ByDigest: true})
		if (err == nil) != c.ok || len(report.Warnings) == 0 {
			t.Errorf("%s, digest: %v\n%s", name, err, dump(report))
		}
		// The inside of an envelope has a digest as well, and its signature: unless asked
		// for, a digest alone does not do.
		if _, _, err := verify.Verify(context.Background(), bare, source, root, k.policy, verify.Options{Now: k.now}); err == nil {
			t.Errorf("%s: counts for a digest alone", name)
		}
	}
}
