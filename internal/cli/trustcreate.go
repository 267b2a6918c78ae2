package cli

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/trust"
)

type createOptions struct {
	fulcio, ctfe, rekor, tsa, oidc []string
	logUse, tsaUse                 string
	output, signingConfig          string
	overwrite                      bool
}

func (a *App) trustCreateCommand() *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use: "create", Short: "Write the trusted root and signing configuration of a private deployment", Args: wants(cobra.NoArgs),
		Long: `Write a trusted root from certificate chains and keys in PEM form, and with
--signing-config the file that names the services to sign with.

Each service is a list of name=value, separated by commas, as cosign reads it:
  url                where it is
  certificate-chain  file, from the issuing certificate to the root (--fulcio, --tsa)
  public-key         file (--rekor, --ctfe)
  start-time         when it began (RFC 3339; default: 1970, or the certificate's own)
  end-time           when it ended, if it did
  api-version        1 or 2 (--rekor; default 1)
  operator           who runs it: authorities of one operator count once`,
		Example: `  hallmark trust create --fulcio url=https://ca.example.com,certificate-chain=ca.pem \
    --rekor url=https://log.example.com,public-key=log.pub,api-version=2 \
    --tsa url=https://time.example.com/api/v1/timestamp,certificate-chain=tsa.pem \
    --out trusted_root.json --signing-config signing_config.json`,
		RunE: func(*cobra.Command, []string) error { return a.runTrustCreate(o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.fulcio, "fulcio", nil, "a certificate authority, as a `list` of name=value")
	f.StringArrayVar(&o.ctfe, "ctfe", nil, "a certificate log, as a `list` of name=value")
	f.StringArrayVar(&o.rekor, "rekor", nil, "a transparency log, as a `list` of name=value")
	f.StringArrayVar(&o.tsa, "tsa", nil, "a timestamp authority, as a `list` of name=value")
	f.StringArrayVar(&o.oidc, "oidc-provider", nil, "an identity provider for people, as a `list` of name=value")
	f.StringVar(&o.logUse, "rekor-config", "ANY", "how many logs sign at once: `ANY`, ALL or EXACT:N")
	f.StringVar(&o.tsaUse, "tsa-config", "ANY", "how many timestamp authorities sign at once: `ANY`, ALL or EXACT:N")
	f.StringVar(&o.output, "out", "", "`file` for the trusted root; - or nothing is standard output")
	f.StringVar(&o.signingConfig, "signing-config", "", "`file` for the signing configuration")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace files that exist")
	return cmd
}

func (a *App) runTrustCreate(o createOptions) error {
	var root trust.Instance
	config := trust.SigningConfig{}
	for _, kind := range []struct {
		flag  string
		specs []string
		add   func(serviceSpec) error
	}{
		{"fulcio", o.fulcio, func(s serviceSpec) error { return s.addCA(&root, &config) }},
		{"ctfe", o.ctfe, func(s serviceSpec) error { return s.addLog(&root.CTLogs, nil) }},
		{"rekor", o.rekor, func(s serviceSpec) error { return s.addLog(&root.Logs, &config.Logs) }},
		{"tsa", o.tsa, func(s serviceSpec) error { return s.addTSA(&root, &config) }},
		{"oidc-provider", o.oidc, func(s serviceSpec) error { config.OIDCs = append(config.OIDCs, s.service()); return nil }},
	} {
		for _, text := range kind.specs {
			s, err := parseServiceSpec(text)
			if err == nil {
				err = kind.add(s)
			}
			if err != nil {
				return usagef("--%s %s: %w", kind.flag, text, err)
			}
		}
	}
	if len(root.CAs)+len(root.Logs)+len(root.TSAs) == 0 {
		return usagef("a trusted root without any authority vouches for nothing: give --fulcio, --rekor or --tsa")
	}
	var err error
	if config.LogUse, err = parseUse(o.logUse); err != nil {
		return usagef("--rekor-config: %w", err)
	}
	if config.TSAUse, err = parseUse(o.tsaUse); err != nil {
		return usagef("--tsa-config: %w", err)
	}
	return a.writeTrust(root, config, o)
}

func (a *App) writeTrust(root trust.Instance, config trust.SigningConfig, o createOptions) error {
	raw, err := trust.EncodeInstance(root)
	if err != nil {
		return usage(err)
	}
	if o.signingConfig != "" {
		services, err := trust.EncodeSigningConfig(config)
		if err != nil {
			return usage(err)
		}
		if err := writeFile(o.signingConfig, services, 0o644, o.overwrite); err != nil {
			return fileError(err)
		}
		a.message("Wrote %s", o.signingConfig)
	}
	if o.output == "" || o.output == "-" {
		_, err = a.Out.Write(raw)
		return err
	}
	if err := writeFile(o.output, raw, 0o644, o.overwrite); err != nil {
		return fileError(err)
	}
	a.message("Wrote %s", o.output)
	return nil
}

// serviceSpec is what a flag says of one service.
type serviceSpec struct {
	url, chain, key, operator string
	version                   int
	validity                  trust.Window
}

func parseServiceSpec(text string) (s serviceSpec, err error) {
	for _, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			return s, fmt.Errorf("%q is not name=value", pair)
		}
		switch name {
		case "url":
			s.url = value
		case "certificate-chain":
			s.chain = value
		case "public-key":
			s.key = value
		case "operator":
			s.operator = value
		case "api-version":
			s.version, err = strconv.Atoi(value)
		case "start-time":
			s.validity.From, err = time.Parse(time.RFC3339, value)
		case "end-time":
			s.validity.Until, err = time.Parse(time.RFC3339, value)
		default:
			return s, fmt.Errorf("unknown name %q", name)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	if trust.LogName(s.url) == "" {
		return s, fmt.Errorf("url is missing, or no URL: %q", s.url)
	}
	if s.validity.From.IsZero() {
		s.validity.From = time.Unix(0, 0).UTC()
	}
	return s, nil
}

func (s serviceSpec) service() trust.Service {
	version := max(s.version, 1)
	return trust.Service{URL: s.url, APIVersion: version, Operator: s.operator, Validity: s.validity}
}

func (s serviceSpec) readChain() (trust.Chain, error) {
	c := trust.Chain{URI: s.url, Operator: s.operator, Validity: s.validity}
	raw, err := os.ReadFile(s.chain)
	if err != nil {
		return c, err
	}
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return c, fmt.Errorf("%s: %w", s.chain, err)
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if len(c.Certificates) == 0 || !c.Certificates[len(c.Certificates)-1].IsCA {
		return c, fmt.Errorf("%s: want certificates in PEM form, the root last", s.chain)
	}
	return c, nil
}

func (s serviceSpec) addCA(root *trust.Instance, config *trust.SigningConfig) error {
	chain, err := s.readChain()
	root.CAs = append(root.CAs, trust.CertificateAuthority{Chain: chain})
	config.CAs = append(config.CAs, s.service())
	return err
}

func (s serviceSpec) addTSA(root *trust.Instance, config *trust.SigningConfig) error {
	chain, err := s.readChain()
	root.TSAs = append(root.TSAs, trust.TimestampAuthority{Chain: chain})
	config.TSAs = append(config.TSAs, s.service())
	return err
}

// addLog adds a log; services is nil for a log that only the certificate authority
// writes to.
func (s serviceSpec) addLog(logs *[]trust.Log, services *[]trust.Service) error {
	raw, err := os.ReadFile(s.key)
	if err != nil {
		return err
	}
	key, err := trust.ParseKey(s.key, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", s.key, err)
	}
	key.Validity = s.validity
	service, name := s.service(), ""
	if service.APIVersion >= 2 { // its checkpoints are signed under its name
		name = trust.LogName(s.url)
	}
	*logs = append(*logs, trust.Log{URI: s.url, Operator: s.operator, ID: trust.LogID(key, name), Key: key})
	if services != nil {
		*services = append(*services, service)
	}
	return nil
}

func parseUse(text string) (trust.Selection, error) {
	switch count, ok := strings.CutPrefix(text, "EXACT:"); {
	case text == "ANY":
		return trust.Selection{}, nil
	case text == "ALL":
		return trust.Selection{All: true}, nil
	case ok:
		n, err := strconv.Atoi(count)
		if err == nil && n > 0 {
			return trust.Selection{Count: n}, nil
		}
	}
	return trust.Selection{}, fmt.Errorf("%q: want ANY, ALL or EXACT:N", text)
}
