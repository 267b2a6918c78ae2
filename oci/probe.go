package oci

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// Answer is what was found out about a capability.
type Answer string

// Answers to questions about a registry.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Names of what a [Probe] finds out.
const (
	ProbeReach      = "reach"             // the registry answers at all
	ProbePull       = "pull"              // this user may read
	ProbePush       = "push"              // this user may write
	ProbeMonolithic = "monolithic upload" // a blob in one request after the upload was opened
	ProbeChunked    = "chunked upload"    // a blob in several
	ProbeMount      = "mount"             // a blob from another place of the registry, unmoved
	ProbeRange      = "range requests"    // the rest of a blob that broke off
	ProbeReferrers  = "referrers API"     // the registry lists evidence itself
	ProbeSubject    = "OCI-Subject"       // and says so when evidence is put
	ProbeLabels     = "labels in lists"   // lists say what evidence is: artifactType, annotations
	ProbeFilter     = "filter"            // lists can be asked for one type
	ProbePages      = "pagination"        // lists end
	ProbeFallback   = "fallback tag"      // a list can be kept under a tag
	ProbeETag       = "ETag"              // and be changed without losing others' entries
	ProbeDelete     = "delete"            // manifests can be removed
	ProbeLimits     = "rate limits"       // what the registry says of them
	ProbeClock      = "clock"             // the registry's clock and this one agree
	ProbeAuth       = "authentication"
)

// Finding is the answer to one question, with what it rests on.
type Finding struct {
	Name   string `json:"name"`
	Answer Answer `json:"answer"`
	Detail string `json:"detail"`
}

// Probe is what was found out about a repository and its registry.
type Probe struct {
	Place    string
	Findings []Finding
	// Left is what could not be removed again.
	Left []string
}

// Finding is the answer to a question. Where it was not asked, it has no name, and the
// answer is Unknown.
func (p *Probe) Finding(name string) Finding {
	for _, f := range slices.Backward(p.Findings) { // what was found out last counts
		if f.Name == name {
			return f
		}
	}
	return Finding{Answer: Unknown}
}

// Probe finds out what a registry can do with a repository. With write it puts a small
// image and evidence of it there, under a tag that begins with "hallmark-doctor-", and
// removes them. An error means that the registry does not answer at all, or the end of ctx.
func (c *Client) Probe(ctx context.Context, ref Reference, write bool) (*Probe, error) {
	if ref.Scheme != SchemeRegistry {
		return nil, fmt.Errorf("%w %q: a repository of a registry is wanted", ErrReference, ref)
	}
	p := &probing{repo: c.repository(ref), found: &Probe{Place: ref.Place()}}
	if t, ok := c.auth.Client.Transport.(*persistent); ok {
		t.observe = p.observe
		defer func() { t.observe = nil }()
	}
	if err := p.reach(ctx); err != nil {
		return p.found, err
	}
	p.pull(ctx)
	if write && ctx.Err() == nil {
		p.write(ctx)
	}
	p.limits()
	p.clock()
	return p.found, ctx.Err()
}

// probing is one run of a probe.
type probing struct {
	repo  *repository
	found *Probe
	mark  string // the tag that everything is under

	mu        sync.Mutex
	skew      []time.Duration
	limited   map[string]string // headers about limits
	throttled int
}

func (p *probing) say(name string, answer Answer, format string, args ...any) {
	p.found.Findings = append(p.found.Findings, Finding{name, answer, printable(fmt.Sprintf(format, args...))})
}

// told is an error for people who know which request it was about.
func told(err error) string {
	var status *StatusError
	if errors.As(err, &status) {
		return strings.TrimSpace(fmt.Sprintf("answered %d %s %s", status.Status, status.Code, status.Message))
	}
	return err.Error()
}

// observe keeps what answers say beside what was asked.
func (p *probing) observe(resp *http.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		p.skew = append(p.skew, time.Until(date).Round(time.Second))
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		p.throttled++
	}
	for name, values := range resp.Header {
		lower := strings.ToLower(name)
		if strings.Contains(lower, "ratelimit") || lower == "retry-after" {
			if p.limited == nil {
				p.limited = map[string]string{}
			}
			p.limited[name] = strings.Join(values, ", ")
		}
	}
}

// reach asks the registry for nothing in particular, without credentials: it says how it
// wants to be asked.
func (p *probing) reach(ctx context.Context) error {
	r := p.repo
	root := strings.TrimSuffix(r.base, r.path+"/")
	req, err := http.NewRequestWithContext(countTries(ctx), http.MethodGet, root, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := noRedirects(r.client.auth.Client).Do(req)
	if err != nil {
		err = r.failed(req, err)
		p.say(ProbeReach, No, "%s", told(err))
		return err
	}
	resp.Body.Close()
	scheme, _, _ := strings.Cut(root, ":")
	p.say(ProbeReach, Yes, "%s, answered %d", scheme, resp.StatusCode)
	challenge := resp.Header.Get("WWW-Authenticate")
	switch kind, _, _ := strings.Cut(challenge, " "); {
	case resp.StatusCode == http.StatusUnauthorized && challenge != "":
		note := ""
		if strings.EqualFold(kind, "basic") && scheme == "http" {
			note = "; passwords go over plain http"
		}
		p.say(ProbeAuth, Yes, "wanted: %s%s", challenge, note)
	case resp.StatusCode == http.StatusUnauthorized:
		p.say(ProbeAuth, Unknown, "wanted, and the registry does not say how")
	default:
		p.say(ProbeAuth, No, "not wanted for %s", root)
	}
	return nil
}

// pull asks for a list that every repository has, and for a manifest that is not there.
func (p *probing) pull(ctx context.Context) {
	missing := describe("", []byte("hallmark doctor asks for what is not there")).Digest
	_, err := p.repo.exists(ctx, missing)
	var status *StatusError
	switch {
	case err == nil:
		p.say(ProbePull, Yes, "granted for repository:%s:pull", p.repo.path)
	case errors.As(err, &status) && status.Unauthorized():
		p.say(ProbePull, No, "%s", told(err))
	default:
		p.say(ProbePull, Unknown, "%s", told(err))
	}
}

// write puts things there, asks about them, and removes them.
func (p *probing) write(ctx context.Context) {
	var mark [6]byte
	_, _ = rand.Read(mark[:]) // never fails
	p.mark = "hallmark-doctor-" + hex.EncodeToString(mark[:])
	config := BytesBlob(mediaTypeEmpty, emptyJSON)
	if err := p.repo.pushBlob(ctx, config, ""); err != nil {
		p.cannotPush(err)
		return
	}
	p.say(ProbePush, Yes, "granted for repository:%s:pull,push", p.repo.path)
	p.say(ProbeMonolithic, Yes, "%d bytes went up in one request", len(emptyJSON))
	layer := BytesBlob("text/plain", []byte("Put here by hallmark doctor, "+p.mark+". It can be removed.\n"))
	p.chunked(ctx, layer)
	subject, raw, err := Artifact{Type: "application/vnd.hallmark.doctor", Layer: layer}.packAlone()
	if err == nil {
		_, err = p.repo.putManifest(ctx, p.mark, plain(subject), raw, nil)
	}
	if err != nil {
		p.say(ProbePush, answerOf(err), "a manifest cannot be put: %s", told(err))
		return
	}
	p.rangeOf(ctx, layer.Descriptor)
	p.mount(ctx, layer.Descriptor)
	evidence := p.evidence(ctx, subject, layer)
	p.remove(ctx, subject, evidence)
}

func (p *probing) cannotPush(err error) {
	p.say(ProbePush, answerOf(err), "%s", told(err))
}

// answerOf is what an error says of a capability: nothing, where it may pass.
func answerOf(err error) Answer {
	var status *StatusError
	if errors.As(err, &status) && !retry.MayPass(status.Status) {
		return No
	}
	return Unknown
}

func (p *probing) chunked(ctx context.Context, b Blob) {
	location, _, err := p.repo.openUpload(ctx, b.Descriptor.Digest, "")
	if err == nil {
		_, err = p.repo.sendChunks(ctx, location, b, 32)
	}
	if err == nil {
		p.say(ProbeChunked, Yes, "%d bytes went up in chunks of 32", b.Descriptor.Size)
		return
	}
	p.say(ProbeChunked, answerOf(err), "%s", told(err))
	if err := p.repo.pushBlob(ctx, b, ""); err != nil {
		p.cannotPush(err)
	}
}

func (p *probing) rangeOf(ctx context.Context, d Descriptor) {
	q := request{method: http.MethodGet, url: p.repo.base + "blobs/" + d.Digest.String(), header: http.Header{"Range": {"bytes=4-"}}}
	resp, err := p.repo.want(ctx, q, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		p.say(ProbeRange, Unknown, "%s", told(err))
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusPartialContent {
		p.say(ProbeRange, Yes, "answered 206")
		return
	}
	p.say(ProbeRange, No, "the whole blob is sent again")
}

func (p *probing) mount(ctx context.Context, d Descriptor) {
	location, mounted, err := p.repo.openUpload(ctx, d.Digest, p.repo.path)
	switch {
	case err != nil:
		p.say(ProbeMount, Unknown, "%s", told(err))
	case mounted:
		p.say(ProbeMount, Yes, "answered 201, within the repository")
	default:
		p.say(ProbeMount, No, "the registry wants the content again")
		p.cancelUpload(ctx, location)
	}
}

// cancelUpload gives up an upload, so that the registry need not wait for it.
func (p *probing) cancelUpload(ctx context.Context, location string) {
	if resp, err := p.repo.do(ctx, request{method: http.MethodDelete, url: location, push: true, remove: true}); err == nil {
		resp.Body.Close()
	}
}

func (p *probing) limits() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var said []string
	for name, value := range p.limited {
		said = append(said, name+": "+value)
	}
	slices.Sort(said)
	switch {
	case p.throttled > 0:
		p.say(ProbeLimits, Yes, "%d of these few requests were answered 429 (%s)", p.throttled, strings.Join(said, "; "))
	case len(said) > 0:
		p.say(ProbeLimits, Yes, "%s", strings.Join(said, "; "))
	default:
		p.say(ProbeLimits, No, "none seen")
	}
}

// maxSkew is how far clocks may be apart before tokens and timestamps suffer.
const maxSkew = time.Minute

func (p *probing) clock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.skew) == 0 {
		p.say(ProbeClock, Unknown, "the registry does not say what time it is")
		return
	}
	slices.Sort(p.skew)
	skew := p.skew[len(p.skew)/2]
	if skew.Abs() > maxSkew {
		p.say(ProbeClock, No, "the registry's clock is %s off this machine's", skew)
		return
	}
	p.say(ProbeClock, Yes, "within %s", max(skew.Abs(), time.Second))
}
