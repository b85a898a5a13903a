"""Drawings and steppers: pure functions of events, walks and states, all in one visual grammar.

`picture_of(thing)` draws what has a picture; vlab's objects draw themselves with it on a cell's last line.
`Stepper` steps through a run, a walk or a computer; `compare` puts two runs side by side.
`draw` and `chart_exits` are for networkx graphs and for counts.
"""

from vlab.views.addresses.chain import chain_picture as chain_picture
from vlab.views.addresses.chain import walk_picture as walk_picture
from vlab.views.computers.boxes import boxes_picture as boxes_picture
from vlab.views.computers.comparison import Comparison as Comparison
from vlab.views.computers.comparison import compare as compare
from vlab.views.computers.snapshots import snapshots_picture as snapshots_picture
from vlab.views.computers.state import state_picture as state_picture
from vlab.views.computers.states import States as States
from vlab.views.drawing.picture import Picture as Picture
from vlab.views.drawn import picture_of as picture_of
from vlab.views.live.explorer import Explorer as Explorer
from vlab.views.live.stepper import Stepper as Stepper
from vlab.views.operations.exits import Exits as Exits
from vlab.views.plots.charts import Plot as Plot
from vlab.views.plots.charts import chart_exits as chart_exits
from vlab.views.plots.charts import style as style
from vlab.views.plots.graphs import draw as draw
from vlab.views.runs.interrupts import Interrupts as Interrupts
from vlab.views.runs.ladder import ladder_picture as ladder_picture
from vlab.views.runs.routes import Routes as Routes
from vlab.views.runs.shares import Shares as Shares
from vlab.views.runs.shares import chart_shares as chart_shares
from vlab.views.runs.timeline import Timeline as Timeline
from vlab.views.silicon.attempts import attempt_picture as attempt_picture
from vlab.views.silicon.attempts import attempts_picture as attempts_picture
from vlab.views.silicon.exittimes import exit_times_picture as exit_times_picture
from vlab.views.silicon.kvm import kvm_beside_model as kvm_beside_model
from vlab.views.silicon.kvm import kvm_picture as kvm_picture
from vlab.views.silicon.modules import modules_picture as modules_picture
from vlab.views.silicon.signals import signals_beside_interrupts as signals_beside_interrupts
from vlab.views.silicon.signals import signals_picture as signals_picture
from vlab.views.words import event_html as event_html
from vlab.views.words import event_sentence as event_sentence
