package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/store"

	"tfos/internal/reserve"
)

// Resuming where Spark reads and writes. A part is what Spark wrote of one
// partition, and its number is that of the partition in Spark's job. Beside what
// every run has in its folder there are:
//
//	RUN/written/    the output of the run's Spark job
//	RUN/pending/0/  what its tasks have committed, as long as the job has not: a
//	                folder for each (task_…_m_000007)
//
//	RUN/aside/      its engines' quarantine (Output.Aside), a file for each
//	                attempt at a partition with bad rows
//
// A partition is finished when its record is there (infer.ServedRecord: its task
// has brought all rows) and its files are: those of a folder in pending, which
// Spark makes by renaming it, or those that the job's commit has moved already;
// and the quarantine file that the record names. Where it says that no row was
// predicted, Spark need not have written a file.
const (
	writtenName = "written"
	pendingName = "pending/0"
	asideName   = "aside"
)

// ResumeWritten is the output of the Spark job of a run whose Output.Resume
// is root. The driver makes it, and in it a link _temporary to pending beside it.
func ResumeWritten(root, run string) string { return root + "/" + run + "/" + writtenName }

// ResumeAside is where a run's engines set bad rows aside. It outlives the run, as
// the partitions that they are of do.
func ResumeAside(root, run string) string { return root + "/" + run + "/" + asideName }

// sparkPart is how Spark names the files of a partition.
var sparkPart = regexp.MustCompile(`^part-([0-9]+)-`)

// lookTable surveys an output for what Spark reads.
func lookTable(ctx context.Context, o Output, request infer.Request, table infer.Table) (*survey, error) {
	identity, err := request.IdentifyTable(ctx, table)
	if err != nil {
		return nil, err
	}
	s := &survey{identity: identity, onBadRow: request.OnBadRow}
	_, parts, err := s.earlier(ctx, o)
	if err != nil {
		return nil, err
	}
	s.match(table.Partitions, parts)
	return s, nil
}

// match finds the finished parts of the partitions that Spark has now, whatever
// their numbers were.
func (s *survey) match(partitions []string, parts []part) {
	done := map[string][]part{}
	for _, p := range parts {
		if p.Serves(s.onBadRow) {
			done[p.Partition] = append(done[p.Partition], p)
		}
	}
	now := map[string]bool{}
	for i, digest := range partitions {
		now[digest] = true
		split := infer.Split{ID: i, Partition: digest}
		s.splits = append(s.splits, split)
		found := done[digest]
		if len(found) == 0 {
			s.missing = append(s.missing, split)
			continue
		}
		found[0].number(i)
		s.carried, done[digest] = append(s.carried, found[0]), found[1:]
	}
	gone := map[string]bool{}
	for _, p := range parts {
		if !now[p.Partition] {
			gone[p.Partition] = true
		}
	}
	if len(gone) > 0 && len(s.missing) > 0 {
		s.warn("%d finished partitions of earlier runs are not used: their files have changed, or Spark divides the input otherwise now, "+
			"as it does for another number of executors or cores, and when files have come or gone", len(gone))
	}
}

// finishedPartitions are the parts in a run's folder that are whole and have a
// record.
func finishedPartitions(ctx context.Context, st store.Store, folder string, plan splitPlan) ([]part, error) {
	written, err := filesOfPartitions(ctx, st, folder)
	if err != nil {
		return nil, err
	}
	taken, err := sizesIn(ctx, st, folder+"/"+partsName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []part
	for _, split := range plan.Splits {
		p := part{folder: folder + "/" + partsName, record: folder + "/" + recordsName + "/" + infer.RecordName(infer.PartitionName(split.ID))}
		var record infer.ServedRecord
		if err := readJSON(ctx, st, p.record, &record); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue
		}
		p.SplitResult = record.Split
		sizes := taken
		if p.Partition == "" { // the run's own
			p.Partition = split.Partition
			sizes = p.wrote(folder, written[split.ID])
		}
		known := p.ID == split.ID && p.Partition == split.Partition && record.Digest == plan.Identity.Digest
		if known && (p.Rows == 0 || len(p.Written) > 0) && whole(ctx, st, p, sizes) == "" {
			parts = append(parts, p)
		}
	}
	return parts, ctx.Err()
}

// sparkFile is a file of a partition, where it is now.
type sparkFile struct {
	infer.WrittenFile
	path string
}

// wrote says of which files the part consists, and where they are in the folder of
// the run that has made it. It returns Spark's sizes.
func (p *part) wrote(folder string, files []sparkFile) map[string]int64 {
	p.paths = map[string]string{}
	sizes := map[string]int64{}
	for _, f := range files {
		p.paths[f.Output], sizes[f.path] = f.path, f.Bytes
		p.Written = append(p.Written, f.WrittenFile)
		p.Bytes += f.Bytes
	}
	slices.SortFunc(p.Written, func(a, b infer.WrittenFile) int { return strings.Compare(a.Output, b.Output) })
	if p.Quarantine != nil {
		p.paths[p.Quarantine.Output] = folder + "/" + asideName + "/" + p.Quarantine.Output
	}
	return sizes
}

// number gives the part its number in the output. Its quarantine file is named
// by that: another partition may have the one that it had.
func (p *part) number(id int) {
	p.ID = id
	if p.Quarantine == nil {
		return
	}
	at := p.path(p.Quarantine.Output)
	q := *p.Quarantine
	q.Output = infer.QuarantineFolder + "/" + infer.QuarantineName(id)
	p.Quarantine = &q
	if p.paths == nil {
		p.paths = map[string]string{}
	}
	p.paths[q.Output] = at
}

// filesOfPartitions are the files that tasks of a run's Spark job have committed,
// by partition. When the job's commit has begun, which moves one file after
// another, all tasks have.
func filesOfPartitions(ctx context.Context, st store.Store, folder string) (map[int][]sparkFile, error) {
	out := map[int][]sparkFile{}
	for _, root := range []string{folder + "/" + writtenName, folder + "/" + pendingName} {
		found, err := st.List(ctx, root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range found {
			name := strings.TrimPrefix(f.Path, root+"/")
			if strings.HasSuffix(root, pendingName) {
				_, name, _ = strings.Cut(name, "/") // the task's folder
			}
			if match := sparkPart.FindStringSubmatch(path.Base(name)); match != nil {
				if number, err := strconv.Atoi(match[1]); err == nil {
					out[number] = append(out[number], sparkFile{infer.WrittenFile{Output: name, Bytes: f.Size}, f.Path})
				}
			}
		}
	}
	return out, nil
}

// takePartition notes a part that is taken over as the run's own.
func (r *resumption) takePartition(ctx context.Context, p part) error {
	text, err := json.Marshal(infer.ServedRecord{Digest: r.identity.Digest, Split: p.SplitResult})
	if err == nil {
		err = store.WriteFile(ctx, r.store, r.records()+"/"+infer.RecordName(infer.PartitionName(p.ID)), text)
	}
	if err != nil {
		return fmt.Errorf("work: note partition %d: %w", p.ID, err)
	}
	return nil
}

// resumedPartitions is the base of an output that Spark writes.
type resumedPartitions struct{ *resumption }

func (r resumedPartitions) start() reserve.Start {
	done := []int{}
	for _, p := range r.carried {
		done = append(done, p.ID)
	}
	return r.started(done)
}

func (r resumedPartitions) add(result *infer.Result) error {
	// Members know the model alone.
	result.Made = r.identity
	result.Made.Digest = result.Digest
	return r.resumption.add(result)
}

func (r resumedPartitions) kept(ctx context.Context) int {
	kept := r.countPublished()
	plan := splitPlan{Identity: r.identity, Splits: r.splits}
	if left, err := finishedPartitions(ctx, r.store, r.folder(), plan); err == nil {
		kept += len(left)
	}
	return kept
}

// collect says in the result's Splits what there is of each partition.
func (r resumedPartitions) collect(ctx context.Context, run string, result *infer.Result, took []infer.ServedPartition) error {
	written, err := filesOfPartitions(ctx, r.store, r.folder())
	if err != nil {
		return err
	}
	served := map[int]infer.ServedPartition{}
	for _, s := range took {
		served[s.Partition] = s
	}
	result.BadPartitions = nil
	for _, split := range r.missing {
		s := served[split.ID] // none: it has no rows
		delete(served, split.ID)
		p := part{SplitResult: infer.SplitResult{
			ID: split.ID, Partition: split.Partition, Run: run, Account: s.Account, Quarantine: s.Quarantine, FirstBad: s.FirstBad,
		}}
		if p.wrote(r.folder(), written[split.ID]); p.Rows > 0 && len(p.Written) == 0 {
			return fmt.Errorf("rows are unaccounted for: %d rows of partition %d were predicted, but Spark has written no file of it", p.Rows, split.ID)
		}
		p.number(split.ID)
		if err := r.link(ctx, p); err != nil {
			return outputError(r.output, err)
		}
		result.Splits = append(result.Splits, p.SplitResult)
	}
	for number := range served {
		return fmt.Errorf("rows are unaccounted for: partition %d was predicted, but was not missing", number)
	}
	return nil
}
