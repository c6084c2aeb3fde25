"""How Atlas and the planted models are made."""
