#!/bin/sh
# Five tickets from one initialization, two runs with everything fixed, one other initialization:
# prune, compare, take the consensus, draw. Usage: demo.sh FOLDER [options of maskstat prune]
set -eu
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
[ $# -gt 0 ] || set -- --iterations 7

say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() {
    printf '$ maskstat %s\n' "$*"
    case $1 in
    list | compare | consensus | info) maskstat "$@" --format table ;;
    *) maskstat "$@" ;;
    esac
}

say "1. Prune LeNet on real handwritten digits, from one initialization, data order not fixed"
echo '$ maskstat prune --seed 0 --vary order --run R -o ticket-R.h5      (R = 1 to 5)'
echo '$ maskstat prune --seed 0 -o fixed-R.h5                            (R = 1, 2)'
echo '$ maskstat prune --seed 1 --vary order --run 1 -o other-init.h5'
worker() { # every second run, so that two workers share them; one thread each
    for run in "$@"; do
        case $run in
        fixed-*) maskstat prune -q --seed 0 $options -o "$run.h5" ;;
        other-init) maskstat prune -q --seed 1 --vary order --run 1 $options -o "$run.h5" ;;
        *) maskstat prune -q --seed 0 --vary order --run "${run#ticket-}" $options -o "$run.h5" ;;
        esac
        echo "   $run.h5"
    done
}
options=$*
worker ticket-1 ticket-3 ticket-5 fixed-1 &
first=$!
worker ticket-2 ticket-4 other-init fixed-2
wait $first
show list ./*.h5
show info -q ticket-1.h5 --iteration 0

say "2. Everything fixed: the same ticket, bit for bit"
show compare fixed-1.h5 fixed-2.h5 --fail-if 'total:jaccard < 1'

say "3. Same initialization, other data order: not one winning ticket, yet more alike than chance"
show compare ticket-1.h5 ticket-2.h5

say "4. Another initialization: what is alike is what chance gives"
show compare ticket-1.h5 other-init.h5
echo "The same, had the layers been pooled: what is only dense layers looks like a discovery"
show compare ticket-1.h5 other-init.h5 --null pooled
echo "All pairs within and between initializations"
show compare ./ticket-*.h5 fixed-1.h5 other-init.h5 --group-by init_seed

say "5. The consensus (prêt-à-porter) ticket: what all five keep"
show consensus ticket-*.h5 --threshold 1 -o consensus.h5 --overwrite
show info consensus.h5

say "6. Figures"
show plot distance ticket-*.h5 -o distance.png --overwrite
show plot heatmap ticket-*.h5 fixed-1.h5 other-init.h5 -o heatmap.png --overwrite
show plot votes ticket-*.h5 -o votes.png --overwrite
show verify -q -o checks.tsv --overwrite ./*.h5
say "In $folder: distance.png, heatmap.png, votes.png, checks.tsv and the archives"
