package cli

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/policy"
)

// identityFlags say whose certificates count.
type identityFlags struct {
	subject, subjectPattern string
	issuer, issuerPattern   string
	claims                  policy.Claims
	hostedOnly              bool
	githubRepo              string
	gitlabProject           string
	logs, timestamps, scts  int
	pending                 bool
}

func (i *identityFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&i.subject, "certificate-identity", "", "`name` that the certificate must have: an address, or the URI of a workflow")
	f.StringVar(&i.subjectPattern, "certificate-identity-regexp", "", "`pattern` that the whole name must match, from its first to its last character (unlike cosign's, which may match a part)")
	f.StringVar(&i.issuer, "certificate-oidc-issuer", "", "`URL` of the issuer of the identity")
	f.StringVar(&i.issuerPattern, "certificate-oidc-issuer-regexp", "", "`pattern` that the whole issuer must match")
	f.StringVar(&i.githubRepo, "github-repo", "", "`OWNER/REPO` on github.com whose workflows are trusted; sets issuer, name and source repository")
	f.StringVar(&i.gitlabProject, "gitlab-project", "", "`GROUP/PROJECT` on gitlab.com whose pipelines are trusted; sets issuer, name and source repository")
	f.StringVar(&i.claims.SourceRepository, "certificate-source-repository", "", "`URL` of the repository that the certificate must name as the source")
	f.StringVar(&i.claims.SourceRef, "certificate-source-ref", "", "`ref` that it was built from, such as refs/heads/main")
	f.StringVar(&i.claims.SourceDigest, "certificate-source-digest", "", "`commit` that it was built from")
	f.StringVar(&i.claims.BuildSignerURI, "certificate-build-signer-uri", "", "`URI` of the instructions that signed, such as a reusable workflow")
	f.StringVar(&i.claims.BuildSignerDigest, "certificate-build-signer-digest", "", "`commit` of those instructions")
	f.StringVar(&i.claims.RunnerEnvironment, "certificate-runner-environment", "", "`environment` of the runner, such as github-hosted")
	f.BoolVar(&i.hostedOnly, "deny-self-hosted-runners", false, "the runner must be the platform's own (github-hosted)")
	f.StringVar(&i.claims.Trigger, "certificate-build-trigger", "", "`event` that started the build, such as push")
	f.IntVar(&i.logs, "log-threshold", 0, "`number` of different transparency logs that must hold a signature; 0: one, if the trusted root has any")
	f.IntVar(&i.timestamps, "timestamp-threshold", 0, "`number` of different timestamp authorities that must vouch for its time")
	f.IntVar(&i.scts, "sct-threshold", 0, "`number` of different certificate logs that must know the certificate; 0: one, if the trusted root has any")
	f.BoolVar(&i.pending, "allow-pending", false, "let signatures count that have a timestamp and are not logged yet (see 'release --log-later')")
}

// identities are those that the flags describe: none, if no flag is given.
func (i *identityFlags) identities() ([]policy.Identity, error) {
	if i.logs < 0 || i.timestamps < 0 || i.scts < 0 {
		return nil, usagef("a threshold must not be negative")
	}
	if *i == (identityFlags{logs: i.logs, timestamps: i.timestamps, scts: i.scts, pending: i.pending}) {
		return nil, nil
	}
	identity, err := i.shorthand()
	if err != nil {
		return nil, err
	}
	if err := i.refine(&identity); err != nil {
		return nil, err
	}
	if err := identity.Check(); err != nil {
		return nil, usagef("%w: give --certificate-oidc-issuer, and --certificate-identity or --certificate-identity-regexp; or --github-repo", err)
	}
	return []policy.Identity{identity}, nil
}

func (i *identityFlags) shorthand() (policy.Identity, error) {
	switch {
	case i.githubRepo != "" && i.gitlabProject != "":
		return policy.Identity{}, usagef("--github-repo and --gitlab-project are two identities: verify with one of them")
	case i.githubRepo != "":
		identity, err := policy.GitHubRepo(i.githubRepo)
		if err != nil {
			return identity, usagef("--github-repo: %w", err)
		}
		return identity, nil
	case i.gitlabProject != "":
		identity, err := policy.GitLabProject(i.gitlabProject)
		if err != nil {
			return identity, usagef("--gitlab-project: %w", err)
		}
		return identity, nil
	}
	return policy.Identity{}, nil
}

// refine sets what flags name on top of a shorthand. A name that is given takes the
// place of the shorthand's: a reusable workflow has a name elsewhere.
func (i *identityFlags) refine(identity *policy.Identity) (err error) {
	if i.subject != "" && i.subjectPattern != "" || i.issuer != "" && i.issuerPattern != "" {
		return usagef("give an exact name or a pattern, not both")
	}
	if i.subject != "" || i.subjectPattern != "" {
		identity.Subject, identity.SubjectPattern = i.subject, nil
	}
	if i.subjectPattern != "" {
		if identity.SubjectPattern, err = policy.ParsePattern(i.subjectPattern); err != nil {
			return usagef("--certificate-identity-regexp: %w", err)
		}
	}
	if i.issuer != "" || i.issuerPattern != "" {
		identity.Issuer, identity.IssuerPattern = i.issuer, nil
	}
	if i.issuerPattern != "" {
		if identity.IssuerPattern, err = policy.ParsePattern(i.issuerPattern); err != nil {
			return usagef("--certificate-oidc-issuer-regexp: %w", err)
		}
	}
	source := identity.Claims.SourceRepository
	identity.Claims = i.claims
	if identity.Claims.SourceRepository == "" {
		identity.Claims.SourceRepository = source
	}
	if i.hostedOnly {
		if r := identity.Claims.RunnerEnvironment; r != "" && r != policy.HostedRunner {
			return usagef("--deny-self-hosted-runners contradicts --certificate-runner-environment %s", r)
		}
		identity.Claims.RunnerEnvironment = policy.HostedRunner
	}
	return nil
}
