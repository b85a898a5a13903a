"""What virtualizing costs: counts measured in the model, priced with costs that others have published.

`parameter_set("nanobenchmarks")` has published costs, `measure(workload_of("fork and wait"), "traced")` counts of
a run, `compare_paging("large working set")` and the other comparisons price the one with the other.
"""

from vlab.operations.costs.comparisons import Costs as Costs
from vlab.operations.costs.comparisons import WalkCounts as WalkCounts
from vlab.operations.costs.comparisons import compare_paging as compare_paging
from vlab.operations.costs.comparisons import compare_processors as compare_processors
from vlab.operations.costs.comparisons import compare_techniques as compare_techniques
from vlab.operations.costs.comparisons import count_walks as count_walks
from vlab.operations.costs.measuring import WORKLOADS as WORKLOADS
from vlab.operations.costs.measuring import Workload as Workload
from vlab.operations.costs.measuring import measure as measure
from vlab.operations.costs.measuring import workload_of as workload_of
from vlab.operations.costs.model import Model as Model
from vlab.operations.costs.parameters import NAMES as NAMES
from vlab.operations.costs.parameters import ParameterSet as ParameterSet
from vlab.operations.costs.parameters import parameter_set as parameter_set
from vlab.operations.costs.published import Fact as Fact
from vlab.operations.costs.published import fact as fact
from vlab.operations.costs.published import facts as facts
from vlab.operations.costs.quantities import Measured as Measured
from vlab.operations.costs.quantities import Modelled as Modelled
