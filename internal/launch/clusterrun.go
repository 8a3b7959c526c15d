package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/store"
	"tfos/internal/work"
)

// Files of this room in the record of a run in a cluster, and in the folder that its
// launcher's machine keeps.
const (
	// ClusterFile is in the record. See ClusterRun.
	ClusterFile = "cluster.json"
	planFile    = "plan.json"
	// placeFile is in the local folder: where the record is.
	placeFile = "record.json"
)

// ClusterRun is what a launcher must know of a run to follow it: the content of ClusterFile.
type ClusterRun struct {
	Kind          cluster.Kind      `json:"kind"`
	Master        string            `json:"master"`
	Conf          map[string]string `json:"conf"` // the job's Spark settings, without secrets
	FormationMS   int64             `json:"formation_ms"`
	GraceMS       int64             `json:"grace_ms"`
	UnreachableMS int64             `json:"unreachable_ms"`
}

// Encode returns the content of ClusterFile.
func (r ClusterRun) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// Formation, Grace and Unreachable are those of FollowConfig.
func (r ClusterRun) Formation() time.Duration { return time.Duration(r.FormationMS) * time.Millisecond }
func (r ClusterRun) Grace() time.Duration     { return time.Duration(r.GraceMS) * time.Millisecond }

func (r ClusterRun) Unreachable() time.Duration {
	return time.Duration(r.UnreachableMS) * time.Millisecond
}

// Open returns the manager of the run. site are the settings of spark-defaults.conf, job those
// of the run's job file: secrets are only there.
func (r ClusterRun) Open(site, job map[string]string, env func(string) string) (cluster.Manager, error) {
	conf := map[string]string{}
	maps.Copy(conf, site)
	maps.Copy(conf, job)
	maps.Copy(conf, r.Conf)
	return cluster.Open(cluster.Config{Kind: r.Kind, Master: r.Master, Conf: conf, Env: env})
}

// recordPlace is the content of placeFile.
type recordPlace struct {
	Record string `json:"record"`
}

// KeepPlace makes the local folder of a run in a cluster, in which spark-submit's log goes,
// and notes there where the record is.
func KeepPlace(state, run, at string) (folder string, err error) {
	folder = RecordDir(state, run)
	data, err := json.Marshal(recordPlace{at})
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, placeFile), append(data, '\n'), 0o600)
	}
	if err != nil {
		return folder, fail(exit.Internal, "record", "note where the run's record is (set TFOS_STATE_DIR for another place): %w", err)
	}
	return folder, nil
}

// FindRecord returns the folder of a run's record. named is the run's id, if this machine
// has launched it, or the folder itself.
func FindRecord(state, named string) (string, error) {
	folder := named
	if !store.Remote(named) && !strings.ContainsRune(named, filepath.Separator) {
		folder = RecordDir(state, named)
	}
	if store.Remote(folder) {
		return folder, nil
	}
	data, err := os.ReadFile(filepath.Join(folder, placeFile))
	var at recordPlace
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return folder, nil
	case err == nil:
		err = json.Unmarshal(data, &at)
	}
	if err != nil {
		return "", fail(exit.Internal, "record", "read where the record of %s is: %w", named, err)
	}
	return at.Record, nil
}

// ReadClusterRun reads a run in a cluster from its record. The plan is plan.json.
func ReadClusterRun(ctx context.Context, folder string) (run record.Run, with ClusterRun, plan []byte, err error) {
	at, err := store.For(folder)
	if err != nil {
		return run, with, nil, err
	}
	f := record.Follow(at, folder)
	var data json.RawMessage
	if run, err = f.Run(ctx); err == nil {
		data, err = f.File(ctx, ClusterFile)
	}
	if err == nil {
		err = json.Unmarshal(data, &with)
	}
	if err == nil {
		plan, err = f.File(ctx, planFile)
	}
	if err != nil {
		return run, with, nil, fmt.Errorf("launch: read %s: %w", folder, err)
	}
	return run, with, plan, nil
}

// Gates are what a command line says of a run, and its driver acts on.
type Gates struct {
	MinRate float64       // --min-throughput
	Measure time.Duration // of tfos bench
}

// GatesOf returns those with which the run of a plan.json was submitted.
func GatesOf(plan []byte) (Gates, error) {
	var p struct {
		Reserve reserve.Config `json:"reserve"`
	}
	err := json.Unmarshal(plan, &p)
	return Gates{p.Reserve.MinRowsPerSecond, p.Reserve.Measure()}, err
}

// ClearStagingOf is ClearStaging of the run of a plan.json.
func ClearStagingOf(ctx context.Context, plan []byte, v *record.Verdict) error {
	var p struct {
		Reserve work.Config `json:"reserve"`
	}
	if err := json.Unmarshal(plan, &p); err != nil {
		return err
	}
	return ClearStaging(ctx, p.Reserve, v)
}
