package job

import (
	"slices"
	"testing"
)

func TestSiteWarnings(t *testing.T) {
	const remedy = ": write what it shall have into spark.conf of the job file"
	for _, tt := range []struct {
		name string
		site map[string]string
		sets []string
		want []string
	}{
		{"nothing there", nil, nil, nil},
		{"what tfos does not set", map[string]string{"spark.eventLog.enabled": "true"}, nil, nil},
		{"the same values", map[string]string{"spark.speculation": "FALSE", "spark.task.cpus": "1"}, nil, nil},
		{"what a person sees", map[string]string{"spark.ui.enabled": "true", "spark.local.dir": "/data"}, nil, nil},
		{"what a job cannot live with", map[string]string{
			"spark.task.cpus": "2", "spark.dynamicAllocation.enabled": "true", "spark.shuffle.service.enabled": "true",
			"spark.speculation": "true", "spark.executor.memory": "4g", "spark.cores.max": "1"}, nil, []string{
			"/etc/d: this job runs with spark.cores.max=6 (there: 1), spark.dynamicAllocation.enabled=false (there: true), " +
				"spark.executor.memory=1024m (there: 4g), spark.shuffle.service.enabled=false (there: true), " +
				"spark.speculation=false (there: true), spark.task.cpus=1 (there: 2)" + remedy}},
		{"the job file says so itself", map[string]string{"spark.executor.memory": "4g"}, []string{"spark.conf.spark.executor.memory=2g"}, nil},
		{"resources", map[string]string{"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "0.5", "spark.executor.resource.gpu.vendor": "nvidia.com"}, nil, []string{
			"/etc/d: spark.executor.resource.gpu.amount=1, spark.task.resource.gpu.amount=0.5: " +
				"executors and tasks come only where there is such a resource: write 0 into spark.conf of the job file to do without"}},
		{"the site does without", map[string]string{"spark.executor.resource.gpu.amount": "0"}, nil, nil},
		{"no resources", map[string]string{"spark.task.resource.gpu.amount": "1"}, []string{"spark.conf.spark.task.resource.gpu.amount=0"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, Train, digits, tt.sets...)
			p, err := MakePlan(s, testEnvironment)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.SiteWarnings(p, "/etc/d", tt.site); !slices.Equal(got, tt.want) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}
