package provenance

import "fmt"

// tektonVariables are those that the task in examples/tekton sets from what Tekton knows
// of a run: Tekton itself sets none.
var tektonVariables = []string{
	"TEKTON_TASKRUN", "TEKTON_TASKRUN_UID", "TEKTON_PIPELINERUN", "TEKTON_NAMESPACE", "TEKTON_TASK", "TEKTON_CLUSTER_URL",
	"TEKTON_SOURCE_URL", "TEKTON_SOURCE_COMMIT", "TEKTON_SOURCE_REF",
}

func readTekton(j job) (*Build, error) {
	var run, uid, pipelineRun, namespace, task, cluster, repository, commit, ref string
	if err := j.read(
		want{"TEKTON_TASKRUN", &run, formName, false},
		want{"TEKTON_TASKRUN_UID", &uid, formName, false},
		want{"TEKTON_NAMESPACE", &namespace, formName, false},
		want{"TEKTON_TASK", &task, formName, true},
		want{"TEKTON_PIPELINERUN", &pipelineRun, formName, true},
		want{"TEKTON_CLUSTER_URL", &cluster, formURL, true},
		want{"TEKTON_SOURCE_URL", &repository, formAny, true},
		want{"TEKTON_SOURCE_COMMIT", &commit, formCommit, true},
		want{"TEKTON_SOURCE_REF", &ref, formAny, true},
	); err != nil {
		return nil, err
	}
	b := &Build{Type: BuildTypes + "tekton/v1", Invocation: uid,
		internal: map[string]any{"tekton": stated(map[string]string{"namespace": namespace, "task": task, "task_run": run, "pipeline_run": pipelineRun})}}
	if cluster != "" { // nothing in a cluster says which one it is
		b.Builder = cluster
	}
	if repository != "" {
		home, err := RepositoryURL(repository)
		if err != nil {
			return nil, fmt.Errorf("%w (TEKTON_SOURCE_URL)", err)
		}
		b.Source = Source{Repository: home, Commit: commit, Ref: ref}
	}
	return b, nil
}
