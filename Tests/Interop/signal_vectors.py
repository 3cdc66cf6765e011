#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The values pinned in Tests/ScoringTests/SignalVectorsTests.swift, by formulas of their own.

usage: signal_vectors.py     (Python 3.8 or newer, nothing else)
"""
import re, math, json, collections
T = """The cat sat on the mat. The cat sat on the mat, and the DOG (a big one) ran after 42 birds...

- See https://example.org/a for more #cats
- Nothing here but a list
The cat sat on the mat. The cat sat on the mat, and the DOG (a big one) ran after 42 birds...

- See https://example.org/a for more #cats
People who live in little houses take care of their animals, have no trouble with them, and write about that in letters.
"""
def core(w):
    m = re.search(r'[A-Za-z0-9](.*[A-Za-z0-9])?', w)
    return m.group(0).lower() if m else None
raw = T.split(); cores = [core(w) for w in raw]; W = [c for c in cores if c]
names = [c or w.lower() for c, w in zip(cores, raw)]
lines = [l for l in T.split('\n') if l.strip()]
key = lambda l: tuple((core(w) or w.lower()) for w in l.split())
out = {}
c = collections.Counter(W); N = len(W)
out['ttr'] = len(c)/N
out['mattr'] = sum(len(set(W[i:i+50]))/50 for i in range(N-49))/(N-49)
out['hdd'] = sum(1-math.comb(N-k,42)/math.comb(N,42) for k in c.values())/42
for n in (2,3):
    g=[tuple(W[i:i+n]) for i in range(N-n+1)]; out[f'distinct_{n}']=len(set(g))/len(g)
out['unigram_entropy'] = -sum(k/N*math.log(k/N) for k in c.values())
n=10; g=[tuple(names[i:i+n]) for i in range(len(names)-n+1)]; gc=collections.Counter(g)
out['word_repetition']=sum(1 for x in g if gc[x]>1)/len(g)
g=[T[i:i+10] for i in range(len(T)-9)]; gc=collections.Counter(g); v=sorted(gc.values(),reverse=True)
out['character_repetition']=sum(x for x in v[:int(math.sqrt(len(v)))] if x>1)/len(g)
def dup(units, size):
    seen=set(); d=0; a=0
    for u,s in units:
        a+=size(s); d+=size(s) if u in seen else 0; seen.add(u)
    return d/a
L=[(key(l),len(l)) for l in lines]
P=[]
for p in re.split(r'\n\s*\n',T.strip()):
    ls=p.split('\n'); P.append((tuple(key(l) for l in ls), sum(len(l) for l in ls)))
out['duplicate_lines']=dup(L,lambda s:1); out['duplicate_line_characters']=dup(L,lambda s:s)
out['duplicate_paragraphs']=dup(P,lambda s:1); out['duplicate_paragraph_characters']=dup(P,lambda s:s)
tot=sum(map(len,names))
for n in (2,3,4):
    g=[tuple(names[i:i+n]) for i in range(len(names)-n+1)]; gc=collections.Counter(g)
    out[f'top_{n}_gram']=max([k*sum(map(len,x)) for x,k in gc.items() if k>1]+[0])/tot
for n in range(5,11):
    seen=set(); cov=set()
    for i in range(len(names)-n+1):
        x=tuple(names[i:i+n])
        if x in seen: cov.update(range(i,i+n))
        seen.add(x)
    out[f'duplicate_{n}_grams']=sum(len(names[i]) for i in cov)/tot
def syl(w):
    w=re.sub(r'[^a-z]+$','',w.lower()); k=len(re.findall(r'[aeiouy]+',w))
    if re.search(r'[b-df-hj-np-tv-xz]e$',w) and not re.search(r'[b-df-hj-np-tv-xz]le$',w): k-=1
    return max(1,k)
lw=[w for w in raw if re.search('[A-Za-z]',w)]
sy=sum(map(syl,lw)); out['syllables_per_word']=sy/len(lw)
S=None
out['_letterwords']=len(lw); out['_syl']=sy
n=len(T)
out['alphanumeric_characters']=sum(x.isalnum() for x in T)/n; out['digits_characters']=sum(x.isdigit() for x in T)/n
out['uppercase_characters']=sum(x.isupper() for x in T)/n; out['whitespace_characters']=sum(x.isspace() for x in T)/n
out['special_characters']=sum(not x.isalnum() and not x.isspace() for x in T)/n; out['parentheses_characters']=sum(x in '()' for x in T)/n
b=T.encode(); places={}; i=0; cost=0
while i<len(b):
    if i+4>len(b): cost+=len(b)-i; break
    k=b[i:i+4]; p=places.get(k); places[k]=i
    if p is None: cost+=1; i+=1
    else:
        l=4
        while i+l<len(b) and b[p+l]==b[i+l]: l+=1
        cost+=3; i+=l
out['compression']=cost/len(b)
out['mean_line_length']=sum(map(len,lines))/len(lines); out['longest_line']=max(map(len,lines))
out['longest_word']=max(map(len,raw)); out['capital_words']=sum(1 for w in raw if len(re.findall('[A-Z]',w))>=2 and not re.search('[a-z]',w))/len(raw)
out['link_characters']=sum(len(w) for w in raw if '://' in w or w.startswith('www.'))/n
out['bullet_lines']=sum(l[0] in '-*+' for l in lines)/len(lines); out['ellipsis_lines']=sum(l.endswith('...') for l in lines)/len(lines)
out['line_breaks_per_word']=T.count('\n')/len(raw); out['hashes_per_word']=T.count('#')/len(raw); out['ellipses_per_word']=T.count('...')/len(raw)
out['common_words']=sum(x in names for x in ["the","be","to","of","and","that","have","with"])
out['curly_brackets']=0; out['lorem_ipsum']=0
out['c4_lines']=sum(l.endswith('.') and not l.endswith('...') for l in lines)/len(lines)
for k,v in out.items(): print(f'    ("{k}", {round(v,6)}),')
