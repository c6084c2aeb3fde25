"""What single heads, MLPs, neurons and states of the residual stream do."""
