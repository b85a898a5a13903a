"""What matplotlib draws: networkx graphs, and charts of what was measured."""
