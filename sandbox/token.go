package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
	"github.com/hallmark-project/hallmark/sandbox/internal/stack"
)

// tokenOptions are the flags of 'token'.
type tokenOptions struct {
	email                  string
	workflow               oidc.Workflow
	gitLab, buildkite, job string
	audience               string
	expires                time.Duration
}

func newToken() *cobra.Command {
	o := &tokenOptions{}
	cmd := &cobra.Command{
		Use:   "token --dir DIR (--email ADDRESS | --github-repo OWNER/REPO | --gitlab-project GROUP/PROJECT | --buildkite ORG/PIPELINE)",
		Short: "Print an ID token for a person or a job",
		Long: `Print an ID token on standard output, and nothing else. Fulcio of the same sandbox
gives a certificate for it.

With --email the token is a person's. With --github-repo it is that of a workflow of
GitHub Actions: the certificate's identity is
https://github.com/OWNER/REPO/.github/workflows/WORKFLOW@REF, and it has the same
extensions as on the public instance. The issuer is the sandbox's own, though:
http://127.0.0.1:PORT/github, not https://token.actions.githubusercontent.com. That is
what a policy for the sandbox has to name; 'status -o json' shows it.

With --gitlab-project and --buildkite it is that of a job there, by the issuers
http://127.0.0.1:PORT/gitlab and /buildkite: the certificate's identities are
https://gitlab.com/GROUP/PROJECT//.gitlab-ci.yml@REF and
https://buildkite.com/ORG/PIPELINE.`,
		Args: noArguments,

		DisableFlagsInUseLine: true,
	}
	dir := dirFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.email, "email", "", "address of a person")
	f.StringVar(&o.workflow.Repository, "github-repo", "", "OWNER/REPO of a workflow")
	f.StringVar(&o.gitLab, "gitlab-project", "", "GROUP/PROJECT of a job of GitLab CI")
	f.StringVar(&o.buildkite, "buildkite", "", "ORG/PIPELINE of a job of Buildkite")
	f.StringVar(&o.job, "job", "", "with --gitlab-project or --buildkite: identifier of the job (default made up)")
	f.StringVar(&o.workflow.Ref, "ref", "", "ref of the job (default refs/heads/main)")
	f.StringVar(&o.workflow.File, "workflow", "", "file of the workflow in .github/workflows (default release.yml)")
	f.StringVar(&o.workflow.SHA, "sha", "", "commit (default made up from repository and ref)")
	f.StringVar(&o.workflow.Environment, "runner-environment", "", "github-hosted or self-hosted (default github-hosted)")
	f.StringVar(&o.workflow.Event, "event", "", "event that started the workflow (default push)")
	f.StringVar(&o.audience, "audience", oidc.DefaultAudience, "whom the token is for")
	f.DurationVar(&o.expires, "expires", oidc.DefaultLifetime, "how long it is good for")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		token, err := o.token(d)
		if err != nil {
			return withRemedy(err, d)
		}
		fmt.Fprintln(cmd.OutOrStdout(), token)
		return nil
	}
	return cmd
}

func (o *tokenOptions) token(dir stack.Dir) (string, error) {
	whose := 0
	for _, name := range []string{o.email, o.workflow.Repository, o.gitLab, o.buildkite} {
		if name != "" {
			whose++
		}
	}
	common := oidc.Workflow{Repository: o.workflow.Repository, Ref: o.workflow.Ref, SHA: o.workflow.SHA}
	switch {
	case whose != 1:
		return "", usagef("say whose token it is: either --email or --github-repo, --gitlab-project, --buildkite")
	case o.email != "" && (o.workflow != (oidc.Workflow{}) || o.job != ""):
		return "", usagef("--ref, --workflow, --sha, --runner-environment, --event and --job go with --github-repo and its like")
	case o.workflow.Repository == "" && o.workflow != common:
		return "", usagef("--workflow, --runner-environment and --event go with --github-repo")
	case o.workflow.Repository != "" && o.job != "":
		return "", usagef("--job goes with --gitlab-project and --buildkite")
	case o.email != "":
		return stack.EmailToken(dir, o.email, o.audience, o.expires)
	case o.gitLab != "":
		return stack.GitLabToken(dir, oidc.GitLabJob{Project: o.gitLab, Ref: o.workflow.Ref, SHA: o.workflow.SHA, JobID: o.job}, o.audience, o.expires)
	case o.buildkite != "":
		return stack.BuildkiteToken(dir, oidc.BuildkiteJob{Pipeline: o.buildkite, Ref: o.workflow.Ref, SHA: o.workflow.SHA, JobID: o.job}, o.audience, o.expires)
	}
	return stack.WorkflowToken(dir, o.workflow, o.audience, o.expires)
}

// withRemedy says what to do about a folder without a sandbox.
func withRemedy(err error, dir stack.Dir) error {
	if errors.Is(err, stack.ErrNoSandbox) {
		return fmt.Errorf("%w; 'hallmark-sandbox up --dir %s' makes one", err, dir)
	}
	return err
}
