package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/store"
)

// namedRun is a run as a command line names it, with its job file if that is given: a record
// has no secrets, and those that open its store may be in the job.
type namedRun struct {
	name string // a run's id, or a path
	file string // the run's job file; "": not given
	sets []string
}

// args takes what names the run, and maybe its job file. what and example appear in the error.
func (n *namedRun) args(what, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) > 2 {
			return fmt.Errorf("%s needs %s, and may have a job file, such as: %s %s", cmd.CommandPath(), what, cmd.CommandPath(), example)
		}
		n.name = args[0]
		if len(args) == 2 {
			n.file = args[1]
		}
		return nil
	}
}

func (n *namedRun) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&n.sets, "set", nil, "override a key of the job, as `key=value`; may be repeated")
}

// job loads the job file; nil: there is none.
func (n *namedRun) job() (*job.Spec, error) {
	if n.file == "" {
		if len(n.sets) > 0 {
			return nil, usageError("--set changes a key of the job file: name it after the run")
		}
		return nil, nil
	}
	return job.Load(n.file, job.KindOf(n.file), n.sets)
}

// isID says that the run is named by its id, and not by a path.
func (n *namedRun) isID() bool { return runIDForm.MatchString(n.name) }

// record returns the folder of the run's record. spec may be nil.
func (n *namedRun) record(state string, spec *job.Spec) (string, error) {
	if spec != nil && spec.InCluster() && n.isID() {
		return spec.RecordFolder(n.name), nil
	}
	return launch.FindRecord(state, store.Canonical(n.name))
}

// openStoreOf sets up the store of a path, with the settings of a job. spec may be nil.
func (c *cli) openStoreOf(path string, spec *job.Spec) error {
	if spec == nil {
		return c.useStores(path)
	}
	if !store.Remote(path) {
		return nil
	}
	_, err := c.configureStores(spec.Spark.Conf)
	return err
}

// stateDir returns the folder for records of this machine.
func (c *cli) stateDir() (settings, string, error) {
	settings, err := loadSettings(c.env)
	if err != nil {
		return settings, "", err
	}
	state, err := launch.StateDir(settings.StateDir, c.env)
	return settings, state, err
}
