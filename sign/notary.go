package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

// ErrLogLater says that signing now and logging later would not give evidence that
// counts: that takes logs of version 2, whose entries have no time of their own, and a
// timestamp authority that says when it was signed.
var ErrLogLater = errors.New("logging later needs transparency logs of version 2 and a timestamp authority")

// Notary gets others to witness a signature: transparency logs, and timestamp
// authorities. What they answer is checked against the trusted root before it is used.
type Notary struct {
	Client *Client
	Logs   []trust.Service
	TSAs   []trust.Service
	// Instances are the trusted roots that answers are checked against, any of them.
	Instances []trust.Instance
	// Later leaves the logs out for now: [Notary.Log] adds them to the bundle.
	Later bool
}

// Check reports whether the notary can do what is asked of it, before anything is
// signed.
func (n *Notary) Check() error {
	if !n.Later {
		return nil
	}
	if len(n.TSAs) == 0 || len(n.Logs) == 0 {
		return fmt.Errorf("%w: there are %d logs and %d timestamp authorities", ErrLogLater, len(n.Logs), len(n.TSAs))
	}
	for _, log := range n.Logs {
		if log.APIVersion < 2 {
			return fmt.Errorf("%w: %s is of version %d", ErrLogLater, log.URL, log.APIVersion)
		}
	}
	return nil
}

// tellsTime reports whether what the notary adds says when a signature was made, or
// whether there is nobody whom a verifier would ask.
func (n *Notary) tellsTime() bool {
	for _, log := range n.Logs {
		if log.APIVersion == 1 {
			return true
		}
	}
	return len(n.TSAs) > 0 || len(n.Logs) == 0
}

// notarize adds log entries and timestamps to a signed bundle.
func (n *Notary) notarize(ctx context.Context, b *bundle.Bundle, by signerKey) error {
	stamps := make([][]byte, len(n.TSAs))
	group, ctx := errgroup.WithContext(ctx)
	for i, tsa := range n.TSAs {
		group.Go(func() (err error) {
			stamps[i], err = n.timestamp(ctx, tsa, b.SignatureBytes())
			return err
		})
	}
	if !n.Later {
		group.Go(func() error { return n.log(ctx, b, by) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.Timestamps = append(b.Timestamps, stamps...)
	return nil
}

func (n *Notary) timestamp(ctx context.Context, tsa trust.Service, sig []byte) ([]byte, error) {
	stamp, err := n.Client.requestTimestamp(ctx, tsa, sig)
	if err != nil {
		return nil, err
	}
	for _, i := range n.Instances {
		if _, _, err = i.VerifyTimestamp(stamp, sig); err == nil {
			return stamp, nil
		}
	}
	return nil, &ServiceError{Service: serviceTSA, URL: tsa.URL, Status: 200, Message: fmt.Sprint(err), Cause: ErrAnswer}
}

// Log adds log entries to a bundle that was signed with Later set.
func (n *Notary) Log(ctx context.Context, b *bundle.Bundle) error {
	by, err := signerOf(b)
	if err != nil {
		return err
	}
	return n.log(ctx, b, by)
}

// signerOf reads the signer of a keyless bundle.
func signerOf(b *bundle.Bundle) (signerKey, error) {
	if len(b.Certificates) == 0 {
		return signerKey{}, fmt.Errorf("%w: it is not signed with a certificate", bundle.ErrFormat)
	}
	cert, err := bundle.ParseCertificate(b.Certificates[0])
	if err != nil {
		return signerKey{}, err
	}
	key, err := trust.NewKey("the certificate's key", cert.X509.PublicKey)
	return signerKey{b.Certificates[0], key}, err
}

func (n *Notary) log(ctx context.Context, b *bundle.Bundle, by signerKey) error {
	entries := make([]bundle.LogEntry, len(n.Logs))
	group, ctx := errgroup.WithContext(ctx)
	for i, log := range n.Logs {
		group.Go(func() error {
			entry, err := n.Client.requestEntry(ctx, log, b, by)
			if err != nil {
				return err
			}
			if err := n.checkEntry(entry, b.SignatureBytes()); err != nil {
				return &ServiceError{Service: serviceLog, URL: log.URL, Status: 200, Message: err.Error(), Cause: ErrAnswer}
			}
			entries[i] = *entry
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.LogEntries = append(b.LogEntries, entries...)
	return nil
}

// checkEntry checks that an entry holds our signature, and that a log which a trusted root
// names vouches for it.
func (n *Notary) checkEntry(entry *bundle.LogEntry, signature []byte) error {
	if !bytes.Contains(entry.Body, base64.StdEncoding.AppendEncode(nil, signature)) {
		return errors.New("the entry is about another signature")
	}
	cause := errors.New("the trusted root does not have this log")
	for _, i := range n.Instances {
		log, ok := trust.FindLog(i.Logs, entry.LogID)
		if !ok {
			continue
		}
		if entry.Proof == nil {
			return errors.New("the entry has no inclusion proof")
		}
		if cause = log.VerifyInclusion(entry.Body, trust.Proof(*entry.Proof)); cause != nil {
			continue
		}
		if entry.Promise == nil {
			return nil
		}
		_, cause = log.VerifyPromise(trust.Promise{Body: entry.Body, IntegratedTime: entry.IntegratedTime, Index: entry.Index}, entry.Promise)
		if cause == nil {
			return nil
		}
	}
	return cause
}
