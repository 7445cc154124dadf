#=l^NT* FROM [p:d.Mp:d.t]
