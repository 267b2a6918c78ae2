package cli

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oidc"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
)

// signerFlags say who signs: a key, or the identity of the job or of a person.
type signerFlags struct {
	key           keyFlags
	trust         trustFlags
	signingConfig string
	provider      string
	tokenFile     string
	device        bool
	tlog, tsa     bool
	retryFor      time.Duration
	yes           bool
	logLater      bool // where a command has it
}

func (s *signerFlags) add(cmd *cobra.Command) {
	s.key.add(cmd)
	s.trust.add(cmd)
	s.addServices(cmd)
}

// addSigning adds the flags of a command that has --key and the flags of trust already.
func (s *signerFlags) addSigning(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.key.passwordFile, "password-file", "", "`file` that holds the key's password (else HALLMARK_PASSWORD, COSIGN_PASSWORD, or a prompt)")
	s.addServices(cmd)
}

func (s *signerFlags) addServices(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.provider, "provider", "", "where the identity comes from, if no --key is given: `name` of one of "+oidc.Names()+" (else what is at hand)")
	f.StringVar(&s.tokenFile, "identity-token", "", "`file` with an identity token, or env://NAME, or - for standard input (HALLMARK_ID_TOKEN holds a token itself)")
	f.BoolVar(&s.device, "device", false, "sign in with a browser on another device")
	f.StringVar(&s.signingConfig, "signing-config", "", "`file` that names the signing services (HALLMARK_SIGNING_CONFIG; else that of 'trust init')")
	f.BoolVar(&s.tlog, "tlog", false, "with --key: have the transparency log hold the signature")
	f.BoolVar(&s.tsa, "tsa", false, "with --key: have a timestamp authority vouch for its time")
	f.DurationVar(&s.retryFor, "retry-for", sign.DefaultBudget, "how `long` to ask a signing service that is down")
	f.BoolVarP(&s.yes, "yes", "y", false, "do not ask before a name is written into a public log")
}

// author is who signs in a run, and what recognises what they signed before.
type author struct {
	signer interface {
		sign.Signer
		sign.FileSigner
	}
	root   trust.Root
	policy policy.Policy // without requirements
	// certificate is that of an identity, once it is there.
	certificate *bundle.Certificate
	notary      *sign.Notary // nil: nobody witnesses
}

// author readies the signer that flags name. What costs requests waits until open is
// called.
func (a *App) author(ctx context.Context, s signerFlags) (author *author, open func(context.Context) error, err error) {
	if s.key.key != "" {
		author, err = a.keyAuthor(ctx, s)
		return author, func(context.Context) error { return nil }, err
	}
	return a.keylessAuthor(ctx, s)
}

func (a *App) keyAuthor(ctx context.Context, s signerFlags) (*author, error) {
	if s.provider != "" || s.tokenFile != "" || s.device {
		return nil, usagef("--key signs with a key, and --provider, --identity-token and --device are for signing without one: choose")
	}
	if s.logLater {
		return nil, usagef("--log-later is for signing without a key")
	}
	key, err := a.signer(ctx, s.key)
	if err != nil {
		return nil, err
	}
	who := &author{signer: key, root: trust.Root{Keys: []trust.Key{key.Public()}}}
	if !s.tlog && !s.tsa {
		return who, nil
	}
	config, err := a.services(ctx, s.trust, s.signingConfig)
	if err != nil {
		return nil, err
	}
	if who.notary, err = a.notary(ctx, s, config, s.tlog, s.tsa); err != nil {
		return nil, err
	}
	who.signer = sign.Notarized{KeySigner: key, Notary: who.notary}
	if s.tlog { // what was signed without is to be signed anew
		who.root.Instances, who.root.KeysInLog = who.notary.Instances, true
	}
	return who, nil
}

// notary readies the witnesses of signatures.
func (a *App) notary(ctx context.Context, s signerFlags, config trust.SigningConfig, logs, tsas bool) (n *sign.Notary, err error) {
	n = &sign.Notary{Client: a.signingClient(s), Later: s.logLater}
	if n.Instances, err = a.instances(ctx, s.trust); err != nil {
		return nil, err
	}
	if logs {
		if n.Logs, err = config.UseLogs(a.Now()); err != nil {
			return nil, err
		}
	}
	if tsas {
		if n.TSAs, err = config.UseTSAs(a.Now()); err != nil {
			return nil, err
		}
	}
	if s.tlog && len(n.Logs) == 0 || s.tsa && len(n.TSAs) == 0 {
		return nil, usagef("%w: %s", trust.ErrNoService, config.Name)
	}
	return n, n.Check()
}

func (a *App) signingClient(s signerFlags) *sign.Client {
	return &sign.Client{UserAgent: "hallmark/" + Version(), Budget: s.retryFor, Now: a.Now, Sleep: a.Sleep, Waiting: a.waiting()}
}

// waiting tells people that a service is down, not more often than they want to read it.
func (a *App) waiting() func(*sign.ServiceError, time.Duration) {
	const often = 10 * time.Second
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(failed *sign.ServiceError, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if last, ok := told[failed.Service]; !ok || a.Now().Sub(last) >= often {
			told[failed.Service] = a.Now()
			a.message("Trying again: %s.", printableLines(failed.Error()))
		}
	}
}

// keylessAuthor signs as an identity. The token and the certificate are asked for by
// open, once for the whole run.
func (a *App) keylessAuthor(ctx context.Context, s signerFlags) (*author, func(context.Context) error, error) {
	if s.tlog || s.tsa {
		return nil, nil, usagef("--tlog and --tsa go with --key: without one, the signing configuration says who witnesses")
	}
	if s.trust.offline {
		return nil, nil, usagef("signing without a key asks services on the network: --offline goes with --key")
	}
	source, err := a.tokenSource(s)
	if err != nil {
		return nil, nil, err
	}
	config, err := a.services(ctx, s.trust, s.signingConfig)
	if err != nil {
		return nil, nil, err
	}
	ca, err := config.CA(a.Now())
	if err != nil {
		return nil, nil, err
	}
	notary, err := a.notary(ctx, s, config, true, true)
	if err != nil {
		return nil, nil, err
	}
	keyless, err := sign.NewKeyless(notary.Client, ca, func(ctx context.Context) (string, error) {
		return a.identityToken(ctx, source, config)
	}, notary)
	if err != nil {
		return nil, nil, err
	}
	who := &author{signer: keyless, root: trust.Root{Instances: notary.Instances}, notary: notary}
	who.policy.AllowPending = s.logLater
	return who, func(ctx context.Context) error {
		cert, err := keyless.Certificate(ctx)
		if err != nil {
			return err
		}
		a.message("Signing as %s (issuer %s).", printableLines(cert.Identity), printableLines(cert.Issuer))
		who.certificate = cert
		who.policy.Identities = []policy.Identity{{Subject: cert.Identity, Issuer: cert.Issuer}}
		return nil
	}, nil
}

// tokenSource finds out where the identity token comes from, before anything is asked.
func (a *App) tokenSource(s signerFlags) (oidc.Source, error) {
	o := oidc.Options{Env: a.Env, Provider: s.provider, TokenFile: s.tokenFile, Stdin: a.In, Device: s.device,
		Client: &http.Client{}, Now: a.Now, Sleep: a.Sleep}
	if a.Prompt != nil { // somebody is there
		o.Person = &oidc.Person{Say: func(text string) { a.message("%s", text) }, OpenBrowser: oidc.OpenBrowser}
		if !s.yes {
			o.Person.Consent = a.consent
		}
	}
	return oidc.Find(o)
}

// consent asks a person before their name goes where everybody can read it.
func (a *App) consent() error {
	if a.Confirm == nil || a.Confirm("Your name or address will be in the certificate and the transparency log, for everybody to read and for ever. Sign in? [y/N] ") {
		return nil
	}
	return usagef("not signed: you said no")
}

// identityToken gets a token and says whose it is, never what it is.
func (a *App) identityToken(ctx context.Context, source oidc.Source, config trust.SigningConfig) (string, error) {
	var issuer string
	if service, err := config.OIDC(a.Now()); err == nil {
		issuer = service.URL
	}
	token, err := source.Token(ctx, oidc.Request{Audience: oidc.Audience, Issuer: issuer})
	if err != nil {
		return "", err
	}
	a.message("Identity token from %s: %s.", source.Name(), printableLines(token.Describe()))
	return token.Reveal(), nil
}
