"""Drawings and steppers: pure functions of events, walks and states, all in one visual grammar.

`picture_of(thing)` draws what has a picture; vlab's objects draw themselves with it on a cell's last line.
`Stepper` steps through a run, a walk or a computer; `compare` puts two runs side by side.
`draw` and `chart_exits` are for networkx graphs and for counts.
"""

from vlab.views.boxes import boxes_picture as boxes_picture
from vlab.views.chain import chain_picture as chain_picture
from vlab.views.chain import walk_picture as walk_picture
from vlab.views.charts import Plot as Plot
from vlab.views.charts import chart_exits as chart_exits
from vlab.views.charts import style as style
from vlab.views.comparison import Comparison as Comparison
from vlab.views.comparison import compare as compare
from vlab.views.drawn import picture_of as picture_of
from vlab.views.explorer import Explorer as Explorer
from vlab.views.graphs import draw as draw
from vlab.views.interrupts import Interrupts as Interrupts
from vlab.views.ladder import ladder_picture as ladder_picture
from vlab.views.picture import Picture as Picture
from vlab.views.snapshots import snapshots_picture as snapshots_picture
from vlab.views.state import state_picture as state_picture
from vlab.views.states import States as States
from vlab.views.stepper import Stepper as Stepper
from vlab.views.timeline import Timeline as Timeline
from vlab.views.words import event_html as event_html
from vlab.views.words import event_sentence as event_sentence
