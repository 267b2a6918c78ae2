package cli

import "github.com/spf13/cobra"

// addWho adds the flags of verify that say who is trusted and what is asked, for commands
// that judge before they act.
func (o *verifyOptions) addWho(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.keys, "key", nil, "public key that is trusted: a `path` or env://NAME; may be repeated")
	o.identity.add(cmd)
	o.trust.add(cmd)
	f.BoolVar(&o.ignoreLog, "insecure-ignore-tlog", false, "signatures by --key need no log entry although --trusted-root is given")
	f.StringSliceVar(&o.require, "require", nil, "`type` of evidence that must be there; may be repeated")
	o.build.add(cmd)
	f.BoolVar(&o.noLegacy, "no-legacy", false, "do not let evidence count that is in cosign's older form, under tags")
	f.BoolVar(&o.acceptIndexSBOM, "accept-index-sbom", false, "let an SBOM or vulnerability report on an index count for its platforms")
	f.BoolVar(&o.checkRepository, "check-repository", false, "the signed statement must name the repository that is asked")
	f.Int64Var(&o.maxBundle, "max-evidence-size", defaultMaxBundle, "largest piece of evidence that is read, in `bytes`")
	o.policy.add(cmd)
	f.StringVar(&o.at, "at", "", "judge as of this `time`, such as 2031-01-01T00:00:00Z, and say so")
}

// asked reports whether any of these flags says whom to trust.
func (o *verifyOptions) asked() bool {
	identities, err := o.identity.identities()
	return len(o.keys) > 0 || len(o.policy.files) > 0 || identities != nil || err != nil
}
